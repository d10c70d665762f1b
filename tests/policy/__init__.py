"""What the policy and the runtime around it promise, measured: `make policy`."""
