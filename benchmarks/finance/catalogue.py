"""The 5,000 servers: each has one tool, which tells one figure of one company."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.finance.companies import YEARS, Company, companies
from benchmarks.finance.metrics import METRICS, Metric
from domain.canonical import JsonObject
from domain.questions import Question, QuestionSource
from domain.servers import Launch, Transport, UpstreamServer
from domain.tools import ToolDocument

SERVERS = 5_000
SEED = 7
TENANT = "finance"


@dataclass(frozen=True, slots=True)
class FinanceServer:
    """One server. `slug`: its name in paths, and in the catalogue that is synced from it."""

    slug: str
    company: Company
    metric: Metric

    @property
    def title(self) -> str:
        return f"{self.company.name} {self.metric.label}"

    @property
    def tool_name(self) -> str:
        return f"get_{self.company.name.lower().replace(' ', '_')}_{self.metric.key}"

    @property
    def tool_id(self) -> str:
        """What the catalogue calls the tool (domain.names); the names of this benchmark fit without a hash."""
        return f"{self.slug}__{self.tool_name}"

    def tool(self, edition: int = 0) -> JsonObject:
        """As `tools/list` gives it. Every edition has another text, with a word in it that no other has."""
        company, metric = self.company, self.metric
        described = f"Returns the {metric.label} of {company.name} ({company.ticker}) in {metric.unit}."
        year: dict[str, Any] = {"type": "integer", "enum": [*YEARS], "description": "Fiscal year; the last by default."}
        return {
            "name": self.tool_name,
            "description": described if not edition else f"{described} {self.edition_word(edition)}.",
            "inputSchema": {"type": "object", "properties": {"year": year}, "additionalProperties": False},
            "annotations": {"readOnlyHint": True},
        }

    def edition_word(self, edition: int) -> str:
        """What a search finds once it knows this edition, and never before."""
        return f"edition{self.slug}r{edition}"

    def value(self, year: int | None = None) -> dict[str, Any]:
        """What the tool answers. Raises KeyError for a year without figures."""
        asked = YEARS[-1] if year is None else year
        if asked not in YEARS:
            raise KeyError(asked)
        figure = self.company.figure(self.metric.key, asked, self.metric.low, self.metric.high)
        return {"company": self.company.name, "metric": self.metric.label, "year": asked,
                "value": figure, "unit": self.metric.unit}  # fmt: skip

    def questions(self, count: int) -> tuple[Question, ...]:
        """The first `count` questions of its template, with the company's name or ticker in them."""
        asked = self.metric.questions[:count]
        texts = (text.format(company=self.company.name, ticker=self.company.ticker) for text in asked)
        return tuple(Question(text, QuestionSource.TEMPLATE) for text in texts)

    def document(self) -> ToolDocument:
        return ToolDocument.from_upstream(self.slug, self.title, self.tool())

    def upstream(self, origin: str) -> UpstreamServer:
        """It as the gateway registers it; `origin` is where all are served (benchmarks.finance.serving)."""
        launch = Launch(Transport.STREAMABLE_HTTP, url=f"{origin}/{self.slug}/mcp")
        return UpstreamServer(TENANT, self.slug, self.title, launch)


def finance_servers(count: int = SERVERS, seed: int = SEED) -> list[FinanceServer]:
    """The first `count` servers of the market, company by company."""
    market = companies(-(-count // len(METRICS)), seed)
    made = [(company, metric) for company in market for metric in METRICS][:count]
    return [FinanceServer(f"f{number:05d}", company, metric) for number, (company, metric) in enumerate(made)]


def by_pair(servers: Iterable[FinanceServer]) -> dict[tuple[str, str], FinanceServer]:
    """By (company name, metric key)."""
    return {(server.company.name, server.metric.key): server for server in servers}
