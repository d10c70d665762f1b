"""Keeps store and index equal to the upstream catalogues: diff, engine, indexer, schedule.

Refuses to know: HTTP, the MCP surface, sessions.
"""
