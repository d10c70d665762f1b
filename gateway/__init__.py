"""The composition root and the edges: settings, use cases, HTTP API, MCP server, command line."""
