"""An authorization that is given back is gone here, and where it came from if that can be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from domain.errors import AuthorizationNeeded
from servers.limits import Limits
from servers.oauth.authorizer import Authorizer
from servers.oauth.credential import MemoryCredentials
from servers.pool import ServerPool
from tests.servers.conftest import QUICK
from tests.servers.test_oauth import GATEWAY, Guarded
from tests.upstreams.authorization import protected_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house() -> AsyncIterator[Guarded]:
    """A protected server that waits for a person."""
    async with protected_server() as upstream:
        store = MemoryCredentials()
        authorizer = Authorizer(store, clock=lambda: upstream.authority.now)
        authorizer.listens_at(GATEWAY)
        made = Guarded(upstream, store, authorizer, ServerPool(Limits(QUICK, access=authorizer)))
        with pytest.raises(AuthorizationNeeded):
            await made.echo()
        yield made
        await made.pool.aclose()


async def test_it_is_revoked_at_its_authorization_server(house: Guarded) -> None:
    authority = house.upstream.authority
    authority.said["revocation_endpoint"] = f"{authority.issuer}/revoke"
    await house.authorize()
    assert await house.echo() == "hello"
    assert await house.authorizer.revoke(house.server)
    assert authority.revoked == ["refresh_token", "access_token"]
    assert (authority.access, authority.refresh) == ({}, {})
    assert await house.store.load("t", "guarded") is None
    with pytest.raises(AuthorizationNeeded):
        await house.echo()


@pytest.mark.parametrize("fault", ["offers none", "silent", "never authorized"])
async def test_what_cannot_be_revoked_there_is_forgotten_here_all_the_same(house: Guarded, fault: str) -> None:
    authority = house.upstream.authority
    if fault != "never authorized":
        await house.authorize()
    if fault != "offers none":
        authority.said["revocation_endpoint"] = f"{authority.issuer}/revoke"
    authority.silent = fault == "silent"
    assert not await house.authorizer.revoke(house.server)
    assert await house.store.load("t", "guarded") is None
    with pytest.raises(AuthorizationNeeded):
        await house.echo()
