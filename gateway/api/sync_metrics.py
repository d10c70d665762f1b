"""Staleness, drift and failures of the catalogue as Prometheus metrics. No tenant, server or tool is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from domain.errors import ToolcribError
from gateway.sync_totals import SyncTotals
from gateway.wiring import Toolcrib


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be asked of the store and the index. None: it did not answer."""

    ages_s: tuple[float, ...] | None  # of the enabled servers that were ever verified
    never: int | None
    waiting: int | None
    behind: int | None


async def look(crib: Toolcrib) -> Facts:
    """Never raises: a database that is away must not take the other numbers with it."""
    try:
        enabled = [server for server in await crib.store.servers.everywhere() if server.enabled]
        verified = [crib.freshness.last_verified(server.tenant, server.slug) for server in enabled]
        tenants = {server.tenant for server in enabled}
        waiting = sum([sum((await crib.store.held_tools.waiting(tenant)).values()) for tenant in tenants])
    except ToolcribError:
        return Facts(None, None, None, None)
    now = time.time()
    ages = tuple(max(0.0, now - at) for at in verified if at is not None)
    return Facts(ages, len(verified) - len(ages), waiting, await _behind(crib))


async def _behind(crib: Toolcrib) -> int | None:
    try:
        return max(0, await crib.store.changes.head() - await crib.index.cursor())
    except ToolcribError:
        return None


def families(facts: Facts, totals: SyncTotals, poll_s: float) -> Iterator[Metric]:
    yield from _counters(totals)
    gauges: dict[str, tuple[str, float | None]] = {
        "toolcrib_index_behind_changes": ("Changes of the catalogue that the index has not followed.", facts.behind),
        "toolcrib_reviews_waiting": ("Changed or new tools that wait for a review.", facts.waiting),
        "toolcrib_servers_never_verified": ("Enabled servers that were never listed.", facts.never),
    }
    if facts.ages_s is not None:
        gauges |= {
            "toolcrib_servers_stale": (
                "Enabled servers not verified for three polls.", sum(age > 3 * poll_s for age in facts.ages_s),
            ),
            "toolcrib_catalogue_staleness_seconds": (
                "Since the least fresh enabled server was verified.", max(facts.ages_s, default=0.0),
            ),
        }  # fmt: skip
    for name, (said, value) in gauges.items():
        if value is not None:
            yield GaugeMetricFamily(name, said, value=value)


def _counters(totals: SyncTotals) -> Iterator[Metric]:
    runs = CounterMetricFamily("toolcrib_sync_runs", "Syncs of one server.", labels=("trigger", "outcome"))
    for (trigger, outcome), count in sorted(totals.runs.items()):
        runs.add_metric((trigger, outcome), count)
    changes = CounterMetricFamily("toolcrib_sync_changes", "Tools that syncs changed, or held.", labels=("kind",))
    for kind, count in sorted(totals.changes.items()):
        changes.add_metric((kind,), count)
    steps = CounterMetricFamily("toolcrib_sync_step_seconds", "Time of syncs, per step.", labels=("step",))
    for step, seconds in sorted(totals.seconds.items()):
        steps.add_metric((step,), seconds)
    count = sum(totals.runs.values())
    yield runs
    yield changes
    yield steps
    yield CounterMetricFamily("toolcrib_sync_warned_runs", "Syncs that left something out.", value=totals.warned)
    yield SummaryMetricFamily(
        "toolcrib_sync_seconds", "Syncs of one server.", count_value=count, sum_value=totals.took_s
    )
