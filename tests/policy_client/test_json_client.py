"""The way to a model: what is tried again, what is given up, what is never shown."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.responses import Response

from domain.circuit import Circuit, Patience
from domain.errors import InvalidInput, ModelUnavailable
from policy_client.http.endpoint import Endpoint
from policy_client.http.failures import ModelLate, ModelNonsense, ModelRefused, ModelSilent
from policy_client.http.json_client import RETRIES, JsonClient
from tests.policy_client.model_server import ModelServer, refused

pytestmark = pytest.mark.anyio

KEY = "sk-canary-4711"
PATIENCE = Patience()


class Asking:
    """A client that does not really sleep, with the rerank route as its one question."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.clients: list[JsonClient] = []

    def client(self, url: str, circuit: Circuit | None = None, **limits: Any) -> JsonClient:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.clients.append(JsonClient(Endpoint(url, key=KEY, **limits), circuit=circuit, sleep=sleep))
        return self.clients[-1]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    made = Asking()
    yield made
    for client in made.clients:
        await client.aclose()


async def ask(client: JsonClient, **more: Any) -> Any:
    return await client.post(client.endpoint.at("/rerank"), {"query": "a", "documents": ["a"]}, **more)


async def test_the_key_travels_in_the_header_and_nowhere_else(server: ModelServer, asking: Asking) -> None:
    client = asking.client(f"{server.url}/v1?token={KEY}")
    await ask(client)
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in repr(client.endpoint)
    assert KEY not in client.endpoint.shown


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (refused(400, f"bad request, your key is {KEY}"), ModelRefused),
        (refused(401, f"Incorrect API key provided: {KEY[:8]}"), ModelRefused),
        (refused(404, "no such model"), ModelRefused),
        (refused(307, "elsewhere", Location="http://127.0.0.1:1/"), ModelRefused),
        (refused(500, f"crashed with {KEY}"), ModelNonsense),
        (lambda: Response("<html>"), ModelNonsense),
        (lambda: Response("[" * 100_000), ModelNonsense),
        (lambda: Response(b"\xff\xfe"), ModelNonsense),
        (lambda: Response(b"no gzip", headers={"Content-Encoding": "gzip"}), ModelNonsense),
    ],
)
async def test_a_bad_answer_has_a_name_and_does_not_show_the_key(
    server: ModelServer,
    asking: Asking,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[], Response],
    failure: type[ModelUnavailable],
) -> None:
    caplog.set_level(logging.INFO)
    server.fault = answer
    client = asking.client(server.url)
    with pytest.raises(failure) as raised:
        await ask(client)
    assert KEY[:8] not in raised.value.message
    assert KEY not in caplog.text
    assert raised.value.code == "model_unavailable"
    # One whose time began last may still get the place for what is left of it; in turns all five would have asked.
    assert len(server.asked) < 5


async def test_what_passes_is_tried_again_and_no_more_than_twice(server: ModelServer, asking: Asking) -> None:
    server.fault = refused(503)
    with pytest.raises(ModelSilent):
        await ask(asking.client(server.url))
    assert len(server.asked) == 1 + RETRIES
    assert len(asking.slept) == RETRIES


async def test_a_model_that_asks_for_patience_gets_it_unless_it_asks_for_too_much(
    server: ModelServer, asking: Asking
) -> None:
    server.fault = refused(429, **{"Retry-After": "1"})
    with pytest.raises(ModelSilent):
        await ask(asking.client(server.url))
    assert asking.slept == [1.0] * RETRIES
    server.fault = refused(429, **{"Retry-After": "60"})
    with pytest.raises(ModelSilent) as raised:
        await ask(asking.client(server.url))
    assert raised.value.retry_after_s == 60
    assert asking.slept == [1.0] * RETRIES


async def test_retries_have_a_budget(server: ModelServer, asking: Asking) -> None:
    server.fault = refused(503)
    client = asking.client(server.url, circuit=Circuit(clock=iter(range(0, 10**6, 1000)).__next__))
    for _ in range(100):
        with pytest.raises(ModelSilent):
            await ask(client)
    assert len(server.asked) <= 100 + 10 + 100 // 10


async def test_a_model_that_does_not_answer_is_given_up_at_the_deadline(server: ModelServer, asking: Asking) -> None:
    server.silent = True
    with pytest.raises(ModelLate, match=r"within 0\.05 s"):
        await ask(asking.client(server.url), deadline_s=0.05)
    # One whose time began last may still get the place for what is left of it; in turns all five would have asked.
    assert len(server.asked) < 5


async def test_waiting_for_a_place_counts_towards_the_deadline(server: ModelServer, asking: Asking) -> None:
    server.silent = True
    client = asking.client(server.url, in_flight=1, deadline_s=0.1)
    outcomes = await asyncio.gather(*(ask(client) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ModelLate] * 5
    # One whose time began last may still get the place for what is left of it; in turns all five would have asked.
    assert len(server.asked) < 5


async def test_more_bytes_than_the_cap_are_not_read_packed_or_not(server: ModelServer, asking: Asking) -> None:
    packed = gzip.compress(json.dumps("x" * 1_000_000).encode())
    server.fault = lambda: Response(packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ModelNonsense, match="more than 10,000 bytes"):
        await ask(asking.client(server.url, cap_bytes=10_000))


async def test_nobody_listening_is_said_without_the_query_of_the_address(asking: Asking) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound, and nobody listens
        with pytest.raises(ModelSilent) as raised:
            await ask(asking.client(f"http://127.0.0.1:{port}/v1?token={KEY}"))
    assert KEY not in raised.value.message
    assert f"127.0.0.1:{port}/v1" in raised.value.message


async def test_half_a_character_is_sent_as_a_question_mark(server: ModelServer, asking: Asking) -> None:
    client = asking.client(server.url)
    await client.post(client.endpoint.at("/rerank"), {"query": "\ud800", "documents": ["a"]})
    assert server.bodies[0]["query"] == "?"


async def test_a_model_that_keeps_failing_is_left_alone_and_tried_again_once_later(
    server: ModelServer, asking: Asking
) -> None:
    now = [0.0]
    circuit = Circuit(clock=lambda: now[0], chance=lambda: 1.0)
    client = asking.client(server.url, circuit=circuit)
    server.fault = refused(500)
    for _ in range(PATIENCE.failures):
        with pytest.raises(ModelNonsense):
            await ask(client)
    with pytest.raises(ModelSilent, match="left alone") as raised:
        await ask(client)
    assert raised.value.retry_after_s is not None
    assert len(server.asked) == PATIENCE.failures
    now[0] += PATIENCE.last_s + 1
    with pytest.raises(ModelNonsense):
        await ask(client)
    with pytest.raises(ModelSilent, match="left alone"):
        await ask(client)
    now[0] += PATIENCE.last_s + 1
    server.fault = None
    await ask(client)
    await ask(client)
    assert not circuit.is_open


async def test_a_caller_that_gives_up_leaves_no_verdict(server: ModelServer, asking: Asking) -> None:
    server.silent = True
    client = asking.client(server.url)
    for _ in range(PATIENCE.failures + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await ask(client)
    server.silent = False
    assert await ask(client) == {"results": [{"index": 0, "relevance_score": 1.0}]}


@pytest.mark.parametrize(
    "url", ["", "ftp://host/", "http://", "http://user:secret@host/", "http://host:99999/", "host:80", "http://[::1/"]
)
def test_an_address_that_is_none_is_refused_without_repeating_its_secrets(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Endpoint(url)
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("key", ["", " ", "a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_when_it_is_set(key: str) -> None:
    with pytest.raises(InvalidInput, match="key of http://host"):
        Endpoint("http://host", key=key)


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://10.0.0.1", True),
        ("https://10.0.0.1", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost", False),
    ],
)
def test_a_key_that_would_travel_unencrypted_is_noticed(url: str, is_open: bool) -> None:  # noqa: FBT001 - a table
    assert Endpoint(url, key="k").is_open is is_open
    assert not Endpoint(url).is_open
