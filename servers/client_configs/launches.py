"""One entry of a client's configuration as a Launch, whichever client wrote it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from domain.errors import InvalidInput
from domain.servers import Launch, Transport
from servers.client_configs.variables import UnknownReference, resolve

_TRANSPORTS = {
    "stdio": Transport.STDIO,
    "local": Transport.STDIO,
    "http": Transport.STREAMABLE_HTTP,
    "streamable-http": Transport.STREAMABLE_HTTP,
    "streamablehttp": Transport.STREAMABLE_HTTP,
    "streamable_http": Transport.STREAMABLE_HTTP,
    "remote": Transport.STREAMABLE_HTTP,
    "sse": Transport.SSE,
}
_URL_KEYS = ("url", "serverUrl", "httpUrl")
"""Most clients; Windsurf; Gemini."""

_HEADER_KEYS = ("headers", "http_headers")
"""Most clients; Codex."""


class BadEntry(ValueError):
    """Why an entry cannot be registered: the rest of a sentence."""


def launch_of(entry: Mapping[str, Any], variables: Mapping[str, str]) -> Launch:
    """Raises BadEntry."""
    try:
        return _launch(entry, variables)
    except UnknownReference as error:
        raise BadEntry(str(error)) from error
    except InvalidInput as error:
        raise BadEntry(error.message.rstrip(".")) from error


def _launch(entry: Mapping[str, Any], variables: Mapping[str, str]) -> Launch:
    command = _command(entry, variables)
    url = _url(entry, variables)
    transport = _transport(entry, has_command=bool(command), has_url=url is not None)
    if transport is Transport.STDIO:
        if url is not None and command:
            raise BadEntry("it has both a command and a URL; keep one of them")
        environment = _texts(entry, ("env", "environment"), variables)
        cwd = _text(entry.get("cwd"), "cwd", variables)
        return Launch(transport, command=command, cwd=cwd or None, env=environment)
    if command:
        raise BadEntry(f"its type is {transport} but it has a command; keep one of them")
    return Launch(transport, url=url, headers=_headers(entry, variables))


def _transport(entry: Mapping[str, Any], *, has_command: bool, has_url: bool) -> Transport:
    named = entry.get("type", entry.get("transport", entry.get("transportType")))
    if named is None:
        if not has_command and not has_url:
            raise BadEntry("it has neither a command nor a URL")
        return Transport.STDIO if has_command else Transport.STREAMABLE_HTTP
    transport = _TRANSPORTS.get(named.lower()) if isinstance(named, str) else None
    if transport is None:
        raise BadEntry(f"its type {str(named)[:40]!r} is unknown; use stdio, http or sse")
    if transport is Transport.STDIO and not has_command:
        raise BadEntry("its type is stdio but it has no command")
    if transport is not Transport.STDIO and not has_url:
        raise BadEntry(f"its type is {named} but it has no URL")
    return transport


def _command(entry: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The argv. A command written as one line is split only where no `args` are given and it is plainly no path."""
    command, arguments = entry.get("command"), entry.get("args", [])
    if command is None:
        return ()
    words = command if isinstance(command, list) else [command]
    if not isinstance(arguments, list):
        raise BadEntry("its args are not a list of texts")
    if not all(isinstance(word, str) for word in (*words, *arguments)):
        raise BadEntry("its command and args must be texts")
    if len(words) == 1 and "args" not in entry and " " in words[0] and not words[0].startswith(("/", "./", "~")):
        words = _split(words[0])
    return tuple(resolve(word, variables) for word in (*words, *arguments))


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadEntry(f"its command cannot be split into words ({error}); use args") from error


def _url(entry: Mapping[str, Any], variables: Mapping[str, str]) -> str | None:
    for key in _URL_KEYS:
        if key in entry:
            return _text(entry[key], key, variables)
    return None


def _headers(entry: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Headers as written, and Codex's names of variables that hold them."""
    headers = _texts(entry, _HEADER_KEYS, variables)
    for header, variable in _texts(entry, ("env_http_headers",), {}).items():
        headers[header] = resolve(f"${{{variable}}}", variables)
    token = entry.get("bearer_token_env_var")
    if isinstance(token, str):
        headers["Authorization"] = "Bearer " + resolve(f"${{{token}}}", variables)
    return headers_checked(headers)


def headers_checked(headers: dict[str, str]) -> dict[str, str]:
    """The same headers, when each could be sent. Raises BadEntry."""
    for name, value in headers.items():
        if not _is_header(name, value):
            raise BadEntry(f"its header {name[:40]!r} holds characters that no header may have")
    return headers


def _is_header(name: str, value: str) -> bool:
    token = bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)
    return token and value.isprintable() and value.isascii()


def _texts(entry: Mapping[str, Any], keys: tuple[str, ...], variables: Mapping[str, str]) -> dict[str, str]:
    """A map of texts; numbers and booleans, which people write without quotes, become texts."""
    for key in keys:
        found = entry.get(key)
        if found is None:
            continue
        if not isinstance(found, dict):
            raise BadEntry(f"its {key} must be an object of texts")
        texts: dict[str, str] = {}
        for name, value in found.items():
            if isinstance(value, bool):
                texts[name] = str(value).lower()
            elif isinstance(value, str | int | float):
                texts[name] = resolve(str(value), variables)
            elif value is not None:
                raise BadEntry(f"its {key} {name!r} must be a text")
            if "\0" in name + texts.get(name, "") or (key.startswith("env") and ("=" in name or not name)):
                raise BadEntry(f"its {key} {name[:40]!r} is no name and value a process could be given")
        return texts
    return {}


def _text(value: object, key: str, variables: Mapping[str, str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise BadEntry(f"its {key} must be a text")
    return resolve(value, variables)
