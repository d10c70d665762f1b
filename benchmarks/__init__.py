"""Measurements, each a command that prints `NAME value target PASS|FAIL` and keeps its result under results/."""
