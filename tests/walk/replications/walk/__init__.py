"""A paper about a random walk: what the runner is tested on."""
