"""What a task family is, and families that more than one paper uses."""
