"""The journey every client makes: list, search, call, error, cancel, and once more after a gateway restart.

Standard library only: it runs inside each client's own environment. Prints one JSON object per step; after `cancel`
it prints `{"ready": true}` and waits for a line on standard input, during which the gateway is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol

META_TOOLS = {"search_tools", "call_tool", "remove_tools"}
STEP_S = 20.0
"""A step that takes longer has failed: the slowest takes under two seconds on an idle machine."""


class Answer:
    """What a call gave: the texts a model would read, and whether they say that it failed."""

    def __init__(self, texts: list[str], *, failed: bool) -> None:
        self.texts = texts
        self.failed = failed

    def __str__(self) -> str:
        return f"{'error' if self.failed else 'answer'}: {' '.join(self.texts)[:200]}"


class Driver(Protocol):
    """One client library, used in its ordinary way."""

    name: str

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def tools(self) -> set[str]: ...

    async def call(self, name: str, arguments: dict[str, object]) -> Answer: ...

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        """Give up a call that is under way, as this library's users do."""
        ...


class Broken(Exception):
    """A step did not end as it has to."""


async def travel(make: Callable[[str], Driver]) -> None:
    """The whole journey, to the address in argv. A failed step does not end it, a failed `open` does."""
    driver, watcher = make(sys.argv[1]), make(sys.argv[1])
    await driver.open()
    for step, do in (("list", _list), ("search", _search), ("call", _call), ("error", _error)):
        await _report(step, do, driver)
    memory = Memory()
    if getattr(driver, "keeps_memory", False):
        await _report("turns", memory.ten_turns, driver)
    await _report("cancel", lambda driver: _cancel(driver, watcher), driver)
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await _report("reconnect", _reconnect, driver)
    if getattr(driver, "keeps_memory", False):
        await _report("remembered", memory.after_the_restart, driver)
    with contextlib.suppress(asyncio.CancelledError, Exception):
        async with asyncio.timeout(5):
            await driver.close()


async def _report(step: str, do: Callable[[Driver], Awaitable[str]], driver: Driver) -> None:
    try:
        async with asyncio.timeout(STEP_S):
            detail, passed = await do(driver), True
    except BaseException as error:  # noqa: BLE001 - a library may raise anything, and the next step is still worth taking
        detail, passed = f"{type(error).__name__}: {error}"[:500], False
    print(json.dumps({"step": step, "passed": passed, "detail": detail}), flush=True)


class Memory:
    """Ten turns on one session: a search and a call each, the handle passed on as a model does. Drivers with
    `keeps_memory` make them.
    """

    def __init__(self) -> None:
        self._handle = ""

    async def ten_turns(self, driver: Driver) -> str:
        for turn in range(10):
            query = "add two numbers" if turn % 2 else "give a text back"
            arguments: dict[str, object] = {"queries": [query], **({"session": self._handle} if self._handle else {})}
            answer = await driver.call("search_tools", arguments)
            handle = re.search(r"Session (s_[0-9a-f]{32}) holds ([0-9]+) of 125 tools", answer.texts[-1])
            _require(handle is not None and int(handle[2]) > 0, str(answer))
            _require(handle[1] == (self._handle or handle[1]), f"turn {turn} went on in {handle[1]}")
            self._handle = handle[1]
            called = await driver.call(
                "call_tool", {"name": "ref__echo", "arguments": {"text": f"turn {turn}"}, "session": self._handle}
            )
            _require(called.texts[0] == f"turn {turn}", str(called))
        return await self._holds(driver)

    async def after_the_restart(self, driver: Driver) -> str:
        return await self._holds(driver)

    async def _holds(self, driver: Driver) -> str:
        """What was called in every turn is held: found out by giving it back, and taken again."""
        answer = await driver.call("remove_tools", {"names": ["ref__echo", "ref__nope"], "session": self._handle})
        _require(json.loads(answer.texts[0]) == {"removed": ["ref__echo"], "unknown": ["ref__nope"]}, str(answer))
        again = await driver.call(
            "call_tool", {"name": "ref__echo", "arguments": {"text": "again"}, "session": self._handle}
        )
        _require(again.texts[0] == "again", str(again))
        return ""


async def _list(driver: Driver) -> str:
    found = await driver.tools()
    _require(found == META_TOOLS, f"listed {sorted(found)}")
    return ""


async def _search(driver: Driver) -> str:
    answer = await driver.call("search_tools", {"queries": ["give a text back", "add two numbers"]})
    _require(not answer.failed, str(answer))
    results = json.loads(answer.texts[0])["results"]
    names = [[tool["name"] for tool in result["tools"]] for result in results]
    _require("ref__echo" in names[0], f"found {names[0]}")
    _require("ref__add" in names[1], f"found {names[1]}")
    _require("Session s_" in answer.texts[-1], answer.texts[-1])
    return ""


async def _call(driver: Driver) -> str:
    answer = await _through(driver, "ref__echo", {"text": f"hello from {driver.name}"})
    _require(not answer.failed and answer.texts == [f"hello from {driver.name}"], str(answer))
    return ""


async def _error(driver: Driver) -> str:
    own = await _through(driver, "ref__fail", {})
    _require(own.failed and "it failed" in " ".join(own.texts), str(own))
    unknown = await _through(driver, "ref__ecco", {})
    said = " ".join(unknown.texts)
    _require(unknown.failed and "tool_not_found" in said and "ref__echo" in said, str(unknown))
    return ""


async def _cancel(driver: Driver, watcher: Driver) -> str:
    """The call is given up once it runs upstream; the upstream has to notice. A second connection watches it there:
    some libraries send one request at a time.
    """
    await watcher.open()
    label: dict[str, object] = {"label": driver.name}
    slow = asyncio.create_task(_through(driver, "ref__slow", {"seconds": 120, **label}))
    await _through(watcher, "ref__running", {**label, "count": 1})
    await driver.cancel(slow)
    await asyncio.wait([slow], timeout=5)
    _require(slow.done(), "the call went on after it was given up")
    seen = await _through(watcher, "ref__was_cancelled", label)
    _require(seen.texts == ["1"], str(seen))
    await watcher.close()
    return ""


async def _reconnect(driver: Driver) -> str:
    """With the same connection where the library manages, else with a new one in the same process."""
    expected = f"{driver.name} is back"
    try:
        async with asyncio.timeout(STEP_S / 2):
            answer = await _through(driver, "ref__echo", {"text": expected})
        if answer.texts == [expected]:
            return "by itself"
        reason = str(answer)
    except BaseException as error:  # noqa: BLE001 - whatever a library makes of a lost session
        reason = f"{type(error).__name__}: {error}"
    with contextlib.suppress(asyncio.CancelledError, Exception):
        async with asyncio.timeout(5):
            await driver.close()
    await driver.open()
    answer = await _through(driver, "ref__echo", {"text": expected})
    _require(answer.texts == [expected], str(answer))
    return f"with a new connection, since the old one said {reason[:100]!r}"


async def _through(driver: Driver, tool: str, arguments: dict[str, object]) -> Answer:
    return await driver.call("call_tool", {"name": tool, "arguments": arguments})


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - read as an assertion
    if not holds:
        raise Broken(otherwise)


async def abandon(call: asyncio.Task[Answer]) -> None:
    """Give up by cancelling the task that waits: what most Python programs do."""
    call.cancel()
