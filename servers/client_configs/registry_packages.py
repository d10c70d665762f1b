"""A package of a registry entry as the command of its runner: npx, uvx, docker, dnx; pinned, never through a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.servers import Launch, Transport
from servers.client_configs.launches import BadEntry
from servers.client_configs.registry_inputs import arguments, field, objects, pairs

_RUNNERS = {"npm": ("npx",), "pypi": ("uvx",), "oci": ("docker", "podman"), "nuget": ("dnx",)}
"""What runs a package of which index; the first one unless the entry hints at another of them."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_IDENTIFIER = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._/:+-]*")


def package_launch(package: Mapping[str, Any], given: Mapping[str, str]) -> Launch:
    """Raises BadEntry for an index, a runner or a transport that is not known, and for a version that is not fixed."""
    kind = str(field(package, "registryType") or field(package, "registryName"))
    if kind not in _RUNNERS:
        raise BadEntry(f"its package type {kind[:40]!r} is not supported; use {', '.join(_RUNNERS)}")
    runner = str(field(package, "runtimeHint") or _RUNNERS[kind][0])
    if runner not in _RUNNERS[kind]:
        raise BadEntry(
            f"its runtime {runner[:40]!r} is no runner of {kind} packages; use {' or '.join(_RUNNERS[kind])}"
        )
    transport = field(package, "transport")
    if isinstance(transport, dict) and transport.get("type", "stdio") != "stdio":
        raise BadEntry(f"its package serves {str(transport['type'])[:40]!r}; start it yourself and register its URL")
    if field(package, "fileSha256"):
        raise BadEntry(f"its file's hash has to be checked, which {runner} does not do")
    environment = pairs(objects(package, "environmentVariables"), given)
    if any("=" in name for name in environment):
        raise BadEntry("one of its environment variables has a name that no process could be given")
    runtime = tuple(arguments(objects(package, "runtimeArguments"), given))
    own = tuple(arguments(objects(package, "packageArguments"), given))
    head = _head(kind, runner, runtime, tuple(environment))
    words = (*head, _pinned(package, kind), *_tail(kind, own))
    return Launch(Transport.STDIO, command=words, env=environment)


def _head(kind: str, runner: str, runtime: tuple[str, ...], environment: tuple[str, ...]) -> tuple[str, ...]:
    if kind == "npm":
        return (runner, *runtime) if {"-y", "--yes"} & set(runtime) else (runner, "-y", *runtime)
    if kind == "oci":
        begin = () if "run" in runtime else ("run", "-i", "--rm")
        # Names only: docker takes the values from the environment that it is started with.
        passed = tuple(word for name in environment for word in ("-e", name))
        return (runner, *begin, *runtime, *passed)
    return (runner, *runtime)


def _tail(kind: str, own: tuple[str, ...]) -> tuple[str, ...]:
    if kind == "nuget":
        return ("--yes", "--", *own) if own else ("--yes",)
    return own


def _pinned(package: Mapping[str, Any], kind: str) -> str:
    identifier, version = package.get("identifier", package.get("name")), package.get("version")
    if not isinstance(identifier, str) or not _IDENTIFIER.fullmatch(identifier):
        raise BadEntry("its package has no identifier that a runner could be given")
    if kind == "oci" and version is None and ("@sha256:" in identifier or ":" in identifier.rpartition("/")[2]):
        return identifier
    if not isinstance(version, str) or not _VERSION.fullmatch(version) or version == "latest":
        raise BadEntry("its package names no fixed version, and another one could come tomorrow")
    return f"{identifier}{':' if kind == 'oci' else '@'}{version}"
