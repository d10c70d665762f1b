"""Faults on purpose: recipes R4-R11, R20 and R21, each a promise with a number."""
