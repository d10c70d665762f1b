"""The HTTP transports of the SDK with our habits added, and what every wire shares."""
