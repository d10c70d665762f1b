"""Off-policy evaluation with numpy alone: the gateway judges policies by its own log, training by an export."""
