"""Answers as JSON, once, for the HTTP API and the MCP surface alike."""
