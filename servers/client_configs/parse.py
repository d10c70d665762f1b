"""From a client's configuration text to entries that can be registered. Half a good file is imported by half."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

from domain.errors import InvalidInput
from servers.client_configs.entries import ClientConfig, ConfigEntry
from servers.client_configs.jsonc import to_plain_json
from servers.client_configs.launches import BadEntry, launch_of
from servers.client_configs.registry import registry_entry, registry_servers

SECTIONS = ("mcpServers", "servers", "mcp_servers", "context_servers")
"""Where clients keep their servers: Claude, Cursor and Windsurf; VS Code; Codex; Zed."""

_NESTS = ("mcp", "mcp.servers")
"""VS Code's settings.json keeps the section one level down."""

_MAX_TITLE = 200


def parse_client_config(
    text: str, filename: str, variables: Mapping[str, str] | None = None, given: Mapping[str, str] | None = None
) -> ClientConfig:
    """The servers of a configuration. `variables` resolve references such as `${API_KEY}` in a person's own files;
    `given` come first there, and are all that the registry's `server.json`, which strangers write, gets to see.

    Raises InvalidInput, with line and column, for a text that cannot be read, and for one without servers in it.
    """
    document = _read(text.removeprefix("\ufeff"), filename)
    published = registry_servers(document)
    if published is not None:
        return _entries(filename, ((str(one.get("name")), _published(one, given or {})) for one in published))
    own = {**(variables or {}), **(given or {})}
    servers = _section(document, filename)
    return _entries(filename, ((title, _configured(title, entry, own)) for title, entry in servers.items()))


def _entries(filename: str, made: Iterable[tuple[str, Callable[[], ConfigEntry]]]) -> ClientConfig:
    """What can be made, and one sentence for what cannot."""
    entries: list[ConfigEntry] = []
    problems: list[str] = []
    for title, make in made:
        try:
            entries.append(make())
        except BadEntry as error:
            problems.append(f"{_shown(title)} in {filename} was left out: {error}.")
    return ClientConfig(tuple(entries), tuple(problems))


def _published(server: Mapping[str, Any], given: Mapping[str, str]) -> Callable[[], ConfigEntry]:
    return lambda: registry_entry(server, given)


def _configured(title: str, entry: object, variables: Mapping[str, str]) -> Callable[[], ConfigEntry]:
    return lambda: _entry(title, entry, variables)


def _read(text: str, filename: str) -> object:
    try:
        if PurePath(filename).suffix.lower() == ".toml":
            return tomllib.loads(text)
        return json.loads(to_plain_json(text))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{filename} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}; correct it there."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{filename} is not valid TOML: {error}; correct it there.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{filename} cannot be read, because it nests too deep or holds too long a number; simplify it."
        ) from error


def _section(document: object, filename: str) -> Mapping[str, Any]:
    if isinstance(document, dict):
        places = [document, *(document[nest] for nest in _NESTS if isinstance(document.get(nest), dict))]
        for place in places:
            for section in SECTIONS:
                if isinstance(place.get(section), dict):
                    found: Mapping[str, Any] = place[section]
                    return found
    raise InvalidInput(
        f"{filename} has no list of MCP servers; give it one of {', '.join(SECTIONS[:3])} with an entry per server, "
        "or take a server.json of the registry."
    )


def _entry(title: str, entry: object, variables: Mapping[str, str]) -> ConfigEntry:
    if not title.strip() or len(title) > _MAX_TITLE:
        raise BadEntry(f"a server needs a name of 1 to {_MAX_TITLE} characters")
    if not isinstance(entry, dict):
        raise BadEntry("an entry is an object with a command or a URL")
    enabled = entry.get("enabled", True) is not False and entry.get("disabled", False) is not True
    return ConfigEntry(title, launch_of(entry, variables), enabled)


def _shown(title: str) -> str:
    return repr(title[:_MAX_TITLE])
