"""The short form of `python -m benchmarks.finance idempotence`: real servers, the whole product, few of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.progress import Progress

from benchmarks.finance.catalogue import finance_servers
from benchmarks.finance.idempotence import measure_idempotence
from benchmarks.finance.news import measure_news
from benchmarks.finance.running import market
from benchmarks.finance.syncs import measure_syncs

pytestmark = pytest.mark.anyio

COUNT = 45


async def test_syncs_again_in_parallel_and_in_other_page_orders_write_nothing_and_no_reader_sees_half_of_a_change(
    tmp_path: Path,
) -> None:
    async with market(finance_servers(COUNT)) as running:
        with Progress(disable=True) as bar:
            promises, _ = await measure_idempotence(tmp_path, running, bar, syncs=6, looks=600)
    failed = [str(promise) for promise in promises[:2] if not promise.holds]
    assert failed == []


async def test_every_pass_finds_what_changed_and_nothing_else_and_news_are_found(tmp_path: Path) -> None:
    servers = finance_servers(2 * COUNT)
    with Progress(disable=True) as bar:
        async with market(servers) as running:
            promises, details = await measure_syncs(tmp_path, running, bar)
        async with market(servers, announcing=3) as running:
            news, _ = await measure_news(tmp_path, running, bar, announcing=3, rounds=1, polled=0)
    exact = [promise for promise in promises if promise.unit == ""]
    assert [str(promise) for promise in exact if not promise.holds] == []
    assert details["passes"]["cold"]["added"] == len(servers)
    assert [promise.value < 60 for promise in news] == [True, True]
