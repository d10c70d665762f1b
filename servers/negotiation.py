"""Which protocol era a server speaks: the current revision is probed first, the handshake is the fallback.

The SDK's own `mode="auto"` waits ten seconds for the probe, all the time we have; and a server that dies of an unknown
first message (some do) needs a second start without it. Otherwise the rules are the SDK's (`mcp/client/_probe.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import anyio
from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    UNSUPPORTED_PROTOCOL_VERSION,
    DiscoverResult,
    Implementation,
    ServerCapabilities,
)
from mcp_types import UnsupportedProtocolVersionErrorData as Unsupported
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from servers.transports.http import HttpFault, failure_of


class Era(StrEnum):
    """How a connection begins."""

    HANDSHAKE = "handshake"  # revisions up to 2025-11-25: initialize, then a session
    MODERN = "modern"  # 2026-07-28: every request stands alone


@dataclass(frozen=True, slots=True)
class Peer:
    """What a server says about itself."""

    era: Era
    protocol_version: str
    server_name: str | None
    server_version: str | None
    instructions: str | None
    has_tools: bool
    announces_changes: bool  # of its tool list


class Handshake(Protocol):
    """The part of the SDK's ClientSession that a negotiation needs; `servers/relay/hello.py` is the raw one."""

    @property
    def protocol_version(self) -> str | None: ...

    @property
    def server_capabilities(self) -> ServerCapabilities | None: ...

    @property
    def server_info(self) -> Implementation | None: ...

    @property
    def instructions(self) -> str | None: ...

    async def send_discover(self, version: str) -> dict[str, Any]: ...

    async def initialize(self) -> object: ...

    def adopt(self, result: DiscoverResult) -> None: ...


class Negotiator:
    """One negotiation. `probing` tells whether it ended, or died, before the handshake was tried."""

    def __init__(self, session: Handshake, probe_s: float) -> None:
        self._session = session
        self._probe_s = probe_s
        self.probing = False

    async def run(self, known: Era | None) -> Peer:
        """Raises MCPError, RuntimeError or ValidationError when the server speaks no revision of ours."""
        if known is not Era.HANDSHAKE:
            self.probing = True
            await self._probe(LATEST_MODERN_VERSION)
            self.probing = False
        elif (version := await self._initialize()) is not None:
            await self._probe(version)
        return peer_of(self._session)

    async def _probe(self, version: str, *, again: bool = True) -> None:
        try:
            with anyio.fail_after(self._probe_s):
                answer = await self._session.send_discover(version)
            result = DiscoverResult.model_validate(answer)
        except (TimeoutError, ValidationError):
            await self._fall_back(again=again)
            return
        except MCPError as error:
            if _is_no_verdict(error):
                raise
            if error.code == UNSUPPORTED_PROTOCOL_VERSION:
                supported = _supported(error)
                mutual = [known for known in MODERN_PROTOCOL_VERSIONS if known in supported]
                if mutual and again:
                    await self._probe(mutual[-1], again=False)
                    return
                if supported and not any(known in HANDSHAKE_PROTOCOL_VERSIONS for known in supported):
                    raise
            await self._fall_back(again=again)
            return
        if any(known in result.supported_versions for known in MODERN_PROTOCOL_VERSIONS):
            self._session.adopt(result)
        else:
            await self._fall_back(again=False)

    async def _fall_back(self, *, again: bool) -> None:
        self.probing = False
        version = await self._initialize()
        if version is not None and again:
            await self._probe(version, again=False)

    async def _initialize(self) -> str | None:
        """None when done; the revision to probe with when the server answers that it is a modern one."""
        try:
            await self._session.initialize()
        except MCPError as error:
            mutual = [known for known in MODERN_PROTOCOL_VERSIONS if known in _supported(error)]
            if error.code != UNSUPPORTED_PROTOCOL_VERSION or not mutual:
                raise
            return mutual[-1]
        return None


def peer_of(session: Handshake) -> Peer:
    """What the negotiated session knows about the other side."""
    version = session.protocol_version
    if version is None:
        raise RuntimeError("the server settled on no protocol version")
    capabilities, info = session.server_capabilities, session.server_info
    tools = capabilities.tools if capabilities is not None else None
    return Peer(
        era=Era.MODERN if version in MODERN_PROTOCOL_VERSIONS else Era.HANDSHAKE,
        protocol_version=version,
        server_name=info.name if info is not None else None,
        server_version=info.version if info is not None else None,
        instructions=session.instructions,
        has_tools=tools is not None,
        announces_changes=bool(tools is not None and tools.list_changed),
    )


def _is_no_verdict(error: MCPError) -> bool:
    """Whether the probe never reached a server, or was not let in: that says nothing about its era."""
    failure = failure_of(error.data)
    if failure is None:
        return error.code == CONNECTION_CLOSED and error.message == "Connection closed"
    return failure.fault in {HttpFault.CONNECT, HttpFault.BROKEN} or failure.status in {401, 403, 429}


def _supported(error: MCPError) -> tuple[str, ...]:
    try:
        return tuple(Unsupported.model_validate(error.data).supported)
    except ValidationError:
        return ()
