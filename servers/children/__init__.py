"""The stdio transport: upstream servers as children of ours, none of which outlives us."""
