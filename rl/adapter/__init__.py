"""Trains the retrieval adapter of `index/adapter` on logged choices."""
