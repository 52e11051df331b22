"""RL²: Fast Reinforcement Learning via Slow Reinforcement Learning (Duan et al. 2016)."""
