"""Connections that pass everything on as it came, for the transparent profile."""
