"""What Toolcrib does, one file per use case. Each takes the principal first; none knows HTTP, MCP or the terminal."""
