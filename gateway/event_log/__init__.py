"""The event log as the gateway writes it: in memory first, in batches, within each tenant's rules."""
