"""Measures retrieval on labelled data, through the same ToolIndex that serves.

Refuses to know: the store, HTTP, MCP.
"""
