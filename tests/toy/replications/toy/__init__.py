"""A paper made of coins: the smallest replication that has one of everything."""
