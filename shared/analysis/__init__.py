"""Reads tidy results: statistics, published numbers, comparison and claims. Knows no learner."""
