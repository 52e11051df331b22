"""Draws figures and tables from an `Evidence`: one theme, generic plots, and the writers of their files."""
