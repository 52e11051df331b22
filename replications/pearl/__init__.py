"""PEARL: Efficient Off-Policy Meta-Reinforcement Learning via Probabilistic Context Variables (Rakelly et al. 2019)."""
