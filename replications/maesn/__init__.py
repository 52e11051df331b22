"""MAESN: meta-reinforcement learning of structured exploration (Gupta et al. 2018), with MAML, E-MAML and ProMP."""
