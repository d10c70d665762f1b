"""Measures what only rooms together can show: tool memory over whole sessions, with the product's rules and index.

Refuses to know: the store, HTTP, MCP. Retrieval alone is measured in index/evaluation.
"""
