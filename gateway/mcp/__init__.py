"""The MCP surface: three constant meta-tools for every session, both protocol eras on one address."""
