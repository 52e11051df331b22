"""What the replications share; knows no paper."""
