from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.servers import UpstreamServer
from tests.bridge.matrix import CLIENTS, UPSTREAMS, column, expected, upstream
from tests.bridge.page import PAGE, render


@pytest.fixture(scope="module", params=UPSTREAMS)
def server(request: pytest.FixtureRequest) -> Iterator[UpstreamServer]:
    with upstream(request.param) as running:
        yield running


@pytest.mark.anyio
@pytest.mark.parametrize("client", CLIENTS)
async def test_every_feature_works_or_is_refused_by_name(client: str, server: UpstreamServer) -> None:
    assert await column(client, server) == expected()


def test_the_page_says_what_the_matrix_holds() -> None:
    assert PAGE.read_text() == render()
