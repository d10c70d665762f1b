"""`/secrets` and OAuth clients: what seals credentials, and one kind of them. No route shows a credential or a key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["secrets"])


class OAuthClient(BaseModel):
    """A client that an operator registered at the server's authorization server. Kept sealed and never shown."""

    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(min_length=1, max_length=2048)
    client_secret: SecretStr | None = None


@router.put("/servers/{server:path}/oauth-client")
async def use_client(server: str, body: OAuthClient, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Use this client at the server's authorization server, instead of registering one."""
    secret = body.client_secret.get_secret_value() if body.client_secret is not None else None
    return {"issuer": await crib.credentials.use_client(caller, server, body.client_id, secret)}


@router.delete("/servers/{server:path}/authorization")
async def deauthorize(server: str, crib: Crib, caller: Caller) -> dict[str, bool]:
    """Forget what people allowed. `revoked`: the authorization server has forgotten it as well (RFC 7009)."""
    return {"revoked": await crib.credentials.deauthorize(caller, server)}


@router.post("/secrets/rotate")
async def rotate(crib: Crib, caller: Caller) -> dict[str, Any]:
    """Seal every credential anew under a new key; requests go on meanwhile."""
    return {"resealed": await crib.credentials.rotate(caller)}
