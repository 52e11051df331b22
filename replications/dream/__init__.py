"""DREAM: decoupling exploration and exploitation (Liu et al. 2021)."""
