"""The transparent profile: `/mcp/servers/{server}` is one upstream, nothing renamed, in either protocol era."""
