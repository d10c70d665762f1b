"""How a server is reached: one way only, and nothing secret shown."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from domain.servers import Launch, Transport, UpstreamServer


def test_a_url_is_shown_without_its_credentials_and_query() -> None:
    launch = Launch(Transport.STREAMABLE_HTTP, url="https://user:secret@example.com/mcp?key=secret")
    assert launch.display == "https://example.com/mcp"


def test_secrets_are_not_in_the_representation() -> None:
    launch = Launch(Transport.STDIO, ("x",), env={"TOKEN": "secret"}, headers={"Authorization": "secret"})
    assert "secret" not in repr(launch)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Launch(Transport.STDIO),
        lambda: Launch(Transport.STDIO, ("x\0y",)),
        lambda: Launch(Transport.STDIO, ("x",), url="http://127.0.0.1"),
        lambda: Launch(Transport.SSE, url="file:///etc/passwd"),
        lambda: Launch(Transport.STREAMABLE_HTTP, url="http://["),
        lambda: Launch(Transport.STREAMABLE_HTTP, url="http://127.0.0.1:port"),
        lambda: Launch(Transport.STREAMABLE_HTTP, ("x",), url="http://127.0.0.1"),
        lambda: UpstreamServer("t", "Not A Slug", "x", Launch(Transport.STDIO, ("x",))),
    ],
)
def test_a_launch_that_makes_no_sense_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput):
        make()
