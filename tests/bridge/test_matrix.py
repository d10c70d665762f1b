from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.servers import UpstreamServer
from tests.bridge.matrix import CLIENTS, UPSTREAMS, column, expected, upstream

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=UPSTREAMS)
def server(request: pytest.FixtureRequest) -> Iterator[UpstreamServer]:
    with upstream(request.param) as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_feature_works_or_is_refused_by_name(client: str, server: UpstreamServer) -> None:
    assert await column(client, server) == expected()
