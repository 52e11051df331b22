"""From a declared study to runs, and from runs to tidy results."""
