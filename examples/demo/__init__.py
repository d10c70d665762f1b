"""The demonstration: real, public MCP servers from packages, without credentials, behind one Toolcrib."""
