"""Policies that are trained: a scorer over candidates and meta-actions, and what it is kept and served as."""
