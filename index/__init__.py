"""Turns documents and queries into ranked candidates: embedders, fields, sparse vectors, fusion, the retriever.

The only room that touches a vector database or an embedding model. Refuses to know: SQL, MCP, HTTP, sessions.
"""
