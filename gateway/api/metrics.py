"""`/metrics`: numbers of this process in the Prometheus text format. No tenant, session, tool or query is named."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.api import sync_metrics
from gateway.api.dependencies import Crib
from gateway.wiring import Toolcrib

router = APIRouter(tags=["health"])

_SAID = {
    "requests": "Requests of agents to their models, as far as sessions show them.",
    "extra_turns": "Of these, such as only a search or a removal took.",
    "answered": "Estimated tokens that searches and removals answered.",
    "reread": "Those again, once for every later request of their session.",
    "written": "Estimated tokens of bound tools written to prompt caches.",
    "kept": "Estimated tokens of bound tools read from prompt caches.",
    "rewrites": "Requests whose tools did not begin with those of the request before.",
}
_TOKENS = frozenset({"answered", "reread", "written", "kept"})


class _Numbers(Collector):
    """Read when they are asked for, so that counting costs the request path nothing."""

    def __init__(self, crib: Toolcrib, facts: sync_metrics.Facts) -> None:
        self._crib = crib
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        for name, count in self._crib.sessions.totals.counts.items():
            unit = "_tokens" if name in _TOKENS else ""
            yield CounterMetricFamily(f"toolcrib_session_{name}{unit}", _SAID[name], value=count)
        journal = self._crib.journal
        yield CounterMetricFamily("toolcrib_events_written", "Events written to the log.", value=journal.written)
        yield CounterMetricFamily("toolcrib_events_dropped", "Events that were lost.", value=journal.dropped)
        yield from sync_metrics.families(self._facts, self._crib.sync_totals, self._crib.settings.poll_s)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(crib: Crib) -> Response:
    """Counters since this process started, and how fresh the catalogue is."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(crib, await sync_metrics.look(crib)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
