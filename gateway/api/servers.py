"""`/servers`: register, inspect, change and remove upstream servers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import Forbidden
from domain.servers import Launch, ReviewPolicy, Sharing, Transport
from gateway.api.dependencies import Caller, Crib
from gateway.presenters.answers import server_json
from gateway.use_cases.consent import record_consent

router = APIRouter(tags=["servers"])


class LaunchBody(BaseModel):
    """How a server is reached. `env` and `headers` are kept and never shown."""

    model_config = ConfigDict(extra="forbid")

    transport: Transport
    command: list[str] = []
    cwd: str | None = None
    url: str | None = None
    env: dict[str, str] = {}
    headers: dict[str, str] = {}

    def launch(self) -> Launch:
        return Launch(self.transport, tuple(self.command), self.cwd, self.url, self.env, self.headers)


class NewServer(LaunchBody):
    """A server to register."""

    name: str = Field(min_length=1, max_length=128)
    trusted: bool = Field(default=False, description="Rely on what it says about its tools (read-only, idempotent).")
    sharing: Sharing = Field(
        default=Sharing.AUTO,
        description="Who meets the same state there: `session` is a connection, or process, for each agent session.",
    )
    review: ReviewPolicy = Field(default=ReviewPolicy.ACCEPT, description="Which changes of its tools wait.")
    consent: bool = Field(default=False, description="The exact command was shown to a person, who agreed to run it.")


class ServerChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool | None = None
    trusted: bool | None = None
    sharing: Sharing | None = None
    review: ReviewPolicy | None = None
    launch: LaunchBody | None = Field(default=None, description="Another way to reach it; held unless it accepts.")
    consent: bool = Field(default=False, description="The exact command was shown to a person, who agreed to run it.")


@router.post("/servers", status_code=201)
async def register(body: NewServer, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Register a server; it is listed and indexed at once by `POST /servers/{server}/sync`."""
    _require_consent(body, given=body.consent)
    server = await crib.servers.add(
        caller, body.name, body.launch(), trusted=body.trusted, sharing=body.sharing, review=body.review
    )
    if body.consent and server.launch.command:
        record_consent(crib.journal, caller, server)
    return server_json(await crib.servers.show(caller, server.slug))


@router.get("/servers")
async def listing(crib: Crib, caller: Caller) -> dict[str, Any]:
    views = await crib.servers.listing(caller)
    return {"servers": [server_json(view) for view in views]}


@router.get("/servers/{server:path}")
async def show(server: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    view = await crib.servers.show(caller, server)
    return {**server_json(view), "stderr": crib.pool.stderr(view.server.tenant, view.server.slug)}


@router.patch("/servers/{server:path}")
async def change(server: str, body: ServerChange, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Switch a server on or off, trust it or stop to, say who shares it, hold its changes, reach it
    otherwise; what is not given stays.
    """
    if body.launch is not None:
        _require_consent(body.launch, given=body.consent)
        known = await crib.servers.resolve(caller, server)
        await crib.launches.propose(caller, known, body.launch.launch())
    if body.review is not None:
        await crib.servers.review(caller, server, policy=body.review)
    if body.enabled is not None:
        await crib.servers.enable(caller, server, enabled=body.enabled)
    if body.trusted is not None:
        await crib.servers.trust(caller, server, trusted=body.trusted)
    if body.sharing is not None:
        await crib.servers.share(caller, server, body.sharing)
    return server_json(await crib.servers.show(caller, server))


@router.delete("/servers/{server:path}", status_code=204)
async def remove(server: str, crib: Crib, caller: Caller) -> None:
    await crib.servers.remove(caller, server)


def _require_consent(body: LaunchBody, *, given: bool) -> None:
    if body.transport is Transport.STDIO and not given:
        raise Forbidden(
            "Registering a stdio server runs its command on this machine: show the exact command to a person and "
            "send `consent: true` when they agree."
        )
