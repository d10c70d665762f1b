"""The event loop every entry point runs on, and the end it comes to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop. SIGTERM unwinds `main` like SIGINT does, so that everything open is closed, and exits with 0."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_told(main))


async def _until_told(main: Coroutine[Any, Any, T]) -> T:
    told = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        told.set()
        task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await main
    except asyncio.CancelledError:
        if told.is_set():
            raise SystemExit(0) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
