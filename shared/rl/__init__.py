"""Pieces of single-task reinforcement learning, as pure functions."""
