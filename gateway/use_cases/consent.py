"""The record that somebody agreed to run a command on this machine: who, when, and exactly which command."""

from __future__ import annotations

import time

from domain.events import Event, EventKind
from domain.identity import Principal
from domain.servers import UpstreamServer
from gateway.event_log.journal import Journal


def record_consent(journal: Journal, principal: Principal, server: UpstreamServer) -> None:
    """Goes into the append-only log. Of the environment only the names are kept."""
    journal.record(
        Event(
            tenant=principal.tenant,
            subject=principal.subject,
            kind=EventKind.CONSENT,
            at=time.time(),
            body={
                "server": server.slug,
                "command": server.launch.command,
                "cwd": server.launch.cwd,
                "env": sorted(server.launch.env),
            },
        )
    )
