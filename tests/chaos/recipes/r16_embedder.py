"""R16: the embedding model is away, or slow: words find, syncs are stored, and the vectors follow when it is back."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from benchmarks.report import Promise
from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from tests.chaos.invariants import assert_converged
from tests.chaos.parts import ChangingUpstream, api_of, changing_upstream, found, register, started, sync
from tests.faults.proxy import Fault, FaultProxy, fault_proxy
from tests.policy_client.model_server import model_server

SERVERS, TOOLS = 10, 20
SEARCHES = 100


async def run(*, full: bool) -> list[Promise]:
    errors, unmarked, untold, lost, complete = 0, 0, 0, 0, 0.0
    async with a_gateway() as (http, proxy, upstream, store):
        for number, fault in enumerate((Fault.RESET, Fault.DELAY) * (5 if full else 1)):
            proxy.fault = fault
            await proxy.drop_all()
            bad, plain = await search(http, fault)
            errors, unmarked = errors + bad, unmarked + plain
            await upstream.change([number], number)
            untold += not (await sync(http, f"s{number}"))["warnings"]
            name = next(reversed((await upstream.tools())[str(number)]))
            lost += f"s{number}__{name}" not in await found(http, name, 10)
            proxy.fault = Fault.PASS
            await proxy.drop_all()
            converged = await assert_converged(http, store, patience_s=90)
            complete, errors = max(complete, converged.seconds), errors + len(converged.faults)
    return [
        Promise("r16_errors", errors, 0),
        Promise("r16_answers_not_marked", unmarked, 0),
        Promise("r16_syncs_that_did_not_say_so", untold, 0),
        Promise("r16_new_tools_not_found_by_words", lost, 0),
        Promise("r16_vectors_complete_after_recovery_max", complete, 60.0, "s"),
    ]


@asynccontextmanager
async def a_gateway() -> AsyncIterator[tuple[httpx2.AsyncClient, FaultProxy, ChangingUpstream, Store]]:
    """A gateway whose embedding model is behind the proxy."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        model = stack.enter_context(model_server())
        proxy = await stack.enter_async_context(fault_proxy(urlsplit(model.url).port or 0, delay_s=10.0))
        upstream = await stack.enter_async_context(changing_upstream(SERVERS, TOOLS))
        gateway = await started(stack,
                folder, embedder="openai:hashing", embedding_url=f"http://127.0.0.1:{proxy.port}/v1",
                embedding_deadline_s="0.5", poll_s="86400", log_level="ERROR",
            )  # fmt: skip
        http = await stack.enter_async_context(api_of(gateway.url))
        for number in range(SERVERS):
            await register(http, f"s{number}", upstream.url(number))
            await sync(http, f"s{number}")
        store = await Store.open(f"sqlite:///{folder}/toolcrib.db", FileKeys(folder / KEY_FILE))
        stack.push_async_callback(store.close)
        yield http, proxy, upstream, store


async def search(http: httpx2.AsyncClient, fault: Fault) -> tuple[int, int]:
    """How many searches failed, and how many were answered as if nothing were missing."""
    failed = unmarked = 0
    for number in range(SEARCHES):
        query = f"read the {fault} file at {time.time()} {number}"
        answer = await http.post("/api/v1/search", json={"queries": [query]})
        failed += answer.status_code != 200
        unmarked += "embedder" not in answer.json()["results"][0]["degraded"]
    return failed, unmarked
