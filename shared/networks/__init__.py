"""Networks that the learners of several papers are built of."""
