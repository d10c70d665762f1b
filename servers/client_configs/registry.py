"""The official registry's `server.json`: one server, an answer of the registry around it, or a list of such answers.

A server may be offered as remote addresses and as packages. The first usable way counts, remotes first: they run
nothing on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from domain.errors import InvalidInput
from domain.servers import Launch, Transport
from servers.client_configs.entries import ConfigEntry
from servers.client_configs.launches import BadEntry, headers_checked
from servers.client_configs.registry_inputs import field, filled, objects, pairs
from servers.client_configs.registry_packages import package_launch

_OFFICIAL = "io.modelcontextprotocol.registry/official"
_REMOTES = {"streamable-http": Transport.STREAMABLE_HTTP, "sse": Transport.SSE}


def registry_servers(document: object) -> list[Mapping[str, Any]] | None:
    """The `server.json` objects in a document; None when it is another kind of file."""
    if not isinstance(document, dict):
        return None
    many = document.get("servers")
    if isinstance(many, list):
        found = [_unwrapped(item) for item in many]
        return [item for item in found if item is not None]
    one = _unwrapped(document)
    return None if one is None else [one]


def registry_entry(server: Mapping[str, Any], given: Mapping[str, str]) -> ConfigEntry:
    """How to reach it. `given` are a person's values for its inputs. Raises BadEntry."""
    name = server.get("name")
    if not isinstance(name, str) or not name.strip("/ "):
        raise BadEntry("it has no name")
    if _status(server) == "deleted":
        raise BadEntry("the registry has deleted it")
    reasons: list[str] = []
    for launch in _launches(server, given, reasons):
        return ConfigEntry(name.rstrip("/").rpartition("/")[2], launch, note=_note(server, launch))
    raise BadEntry("; ".join(dict.fromkeys(reasons)) or "it offers neither a remote address nor a package")


def _launches(server: Mapping[str, Any], given: Mapping[str, str], reasons: list[str]) -> Iterator[Launch]:
    """The usable ways, best first; why the others are not goes into `reasons`."""
    remotes = sorted(objects(server, "remotes"), key=_kind, reverse=True)  # streamable-http before sse
    for offer, make in [(one, _remote) for one in remotes] + [
        (one, package_launch) for one in objects(server, "packages")
    ]:
        try:
            yield make(offer, given)
        except BadEntry as error:
            reasons.append(str(error))
        except InvalidInput as error:
            reasons.append(error.message.rstrip("."))


def _remote(remote: Mapping[str, Any], given: Mapping[str, str]) -> Launch:
    transport = _REMOTES.get(_kind(remote))
    if transport is None:
        raise BadEntry(f"its remote type {_kind(remote)[:40]!r} is unknown; use streamable-http or sse")
    url = remote.get("url")
    if not isinstance(url, str):
        raise BadEntry("its remote address has no URL")
    headers = headers_checked(pairs(objects(remote, "headers"), given))
    return Launch(transport, url=filled(url, remote.get("variables"), given), headers=headers)


def _kind(remote: Mapping[str, Any]) -> str:
    return str(remote.get("type", field(remote, "transportType")))


def _note(server: Mapping[str, Any], launch: Launch) -> str:
    """What a person should know before agreeing."""
    notes = ["the registry calls it deprecated"] if _status(server) == "deprecated" else []
    if launch.transport is Transport.STDIO and any(
        field(one, "registryBaseUrl") for one in objects(server, "packages")
    ):
        notes.append("its file names a package index; the command uses the one this machine is set up with")
    return "; ".join(notes)


def _status(server: Mapping[str, Any]) -> object:
    meta = server.get("_meta")
    official = meta.get(_OFFICIAL) if isinstance(meta, dict) else None
    return official.get("status") if isinstance(official, dict) else server.get("status")


def _unwrapped(item: object) -> Mapping[str, Any] | None:
    if not isinstance(item, dict):
        return None
    inner = item.get("server")
    if isinstance(inner, dict):
        return {**inner, "_meta": item.get("_meta") or inner.get("_meta")}
    return item if isinstance(item.get("packages"), list) or isinstance(item.get("remotes"), list) else None
