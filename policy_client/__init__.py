"""Asks a policy for a decision: deadline, parse, fallback. Refuses to know: training, torch, the database."""
