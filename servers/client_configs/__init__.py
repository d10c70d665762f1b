"""Import of the server lists that MCP clients keep.

Claude, Cursor and Windsurf write `mcpServers`, VS Code writes `servers`, Codex writes TOML; the official registry
publishes `server.json`.

Refuses to know: files, the environment, consent. It reads a text and gives back what could be registered.
"""

from servers.client_configs.entries import ClientConfig, ConfigEntry
from servers.client_configs.parse import parse_client_config

__all__ = ["ClientConfig", "ConfigEntry", "parse_client_config"]
