"""One module per promise of the policy."""
