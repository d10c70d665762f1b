"""The policy at work: what it is asked about a search, what its answer changes, and in which mode."""
