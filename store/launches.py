"""How a server is reached, as columns: what may be secret is sealed, the rest can be read in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from domain.servers import Launch, Transport
from store.json_text import decode, encode
from store.sealing import Sealer


def launch_columns(launch: Launch, sealer: Sealer, *context: str) -> dict[str, Any]:
    """`context`: purpose, tenant and server. Raises SecretsUnavailable when there is something to seal and no key."""
    hidden = _hidden(launch)
    return {
        "transport": launch.transport.value,
        "command": encode(list(launch.command)),
        "cwd": launch.cwd,
        "url": launch.display if "url" in hidden else launch.url,
        "sealed": sealer.seal(hidden, *context) if hidden else None,
    }


def launch_of(row: Row[Any], hidden: Mapping[str, Any]) -> Launch:
    """`hidden`: what was sealed, opened."""
    return Launch(
        transport=Transport(row.transport),
        command=tuple(decode(row.command)),
        cwd=row.cwd,
        url=hidden.get("url", row.url),
        env=hidden.get("env", {}),
        headers=hidden.get("headers", {}),
    )


def _hidden(launch: Launch) -> dict[str, Any]:
    """What is stored sealed only; empty when there is nothing to hide."""
    hidden: dict[str, Any] = {"env": dict(launch.env), "headers": dict(launch.headers)}
    if launch.url is not None and launch.url != launch.display:  # a password, or a key in the query
        hidden["url"] = launch.url
    return {name: value for name, value in hidden.items() if value}
