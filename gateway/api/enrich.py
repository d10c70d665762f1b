"""`/enrich`: have a language model write the questions that tools answer, step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["models"])


class EnrichBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    server: str | None = Field(default=None, description="Only this server's tools.")
    after: str = Field(default="", description="The tool id that the last step ended with.")


@router.post("/enrich")
async def enrich(body: EnrichBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """The next few tools. Repeat with the answer's `after` until it is null; what is answered is not asked again."""
    server = (await crib.servers.resolve(caller, body.server)).slug if body.server else None
    return asdict(await crib.enrich.step(caller, server=server, after=body.after))
