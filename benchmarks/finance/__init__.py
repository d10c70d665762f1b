"""The benchmark of ScaleMCP (arXiv 2505.06416), regenerated: 5,000 one-tool MCP servers and what is asked of them."""
