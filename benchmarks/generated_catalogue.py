"""Catalogues of any size: the real tools of the evaluation sets first, then variants of them.

Refuses to know: how a catalogue is stored or searched. A variant has the beginning of one real tool's description, the
end of another's, the verb of one name and the object of another, the parameters of a third, and a server of its own:
real words in new company. The same seed gives the same catalogue.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from domain.canonical import JsonObject
from domain.text import clean, words
from domain.tools import ToolDocument
from index.evaluation.dataset import LabelledTool, load_dataset

ROOT = Path(__file__).resolve().parent.parent
DATASETS = Path(os.environ.get("TOOLCRIB_DATASETS", ROOT.parent / "shared" / "datasets"))

SETS = ("seal-tools", "toole", "mcp-catalogue", "toolbench", "api-bank", "tau2-retail-airline")
"""In this order, so that the tools of the two sets that queries come from are in every catalogue of 4,300 or more."""

PER_SERVER = 40
NAMES = 20_000
"""Distinct names of variants: as in real catalogues, servers share names."""


@dataclass(frozen=True)
class GeneratedTool:
    """One tool as a server lists it. `pieces`: texts that its own texts are made of; none for a real tool."""

    server: str
    raw: JsonObject
    pieces: tuple[str, ...] = ()

    @cached_property
    def document(self) -> ToolDocument:
        return ToolDocument.from_upstream(self.server, self.server, self.raw)


def generated_tools(count: int, seed: int = 7) -> list[GeneratedTool]:
    """`count` tools, each name once per server."""
    real = list(_real())
    return [*real, *_variants(real, count - len(real), seed)] if count > len(real) else real[:count]


def mixed_queries() -> list[str]:
    """The test queries of seal-tools and of toole, one of each in turn, until the shorter list ends; no text twice."""
    seal, toole = (
        list(dict.fromkeys(query.text for query in load_dataset(DATASETS / name, split="test").queries))
        for name in SETS[:2]
    )
    random.Random(7).shuffle(seal)
    random.Random(7).shuffle(toole)
    return [text for pair in zip(seal, toole, strict=False) for text in pair]


def _real() -> Iterator[GeneratedTool]:
    """Sets without servers get one for every PER_SERVER tools."""
    seen: set[tuple[str, str]] = set()
    for name in SETS:
        for number, tool in enumerate(load_dataset(DATASETS / name, split="").tools):
            server = _server(name, number, tool)
            if (server, tool.document.name) not in seen:
                seen.add((server, tool.document.name))
                yield GeneratedTool(server, dict(tool.document.raw))


def _server(dataset: str, number: int, tool: LabelledTool) -> str:
    """seal-tools has a server for every few tools; its fields stand for them."""
    if dataset == "seal-tools":
        return tool.server.split("/")[0] or dataset
    return tool.server or f"{dataset} {number // PER_SERVER}"


def _variants(real: Sequence[GeneratedTool], count: int, seed: int) -> Iterator[GeneratedTool]:
    """Descriptions of one sentence are cut at their middle word."""
    chance = random.Random(seed)
    described = [tool for tool in real if len(clean(str(tool.raw["description"])).split()) >= 4]
    names = sorted({_recombined(chance, described) for _ in range(NAMES)})
    made, servers = 0, 0
    while made < count:
        server = f"{chance.choice(described).server[:60]} {servers}"
        servers += 1
        for name in chance.sample(names, min(PER_SERVER, count - made)):
            yield _variant(chance, described, server, name)
            made += 1


def _variant(chance: random.Random, real: Sequence[GeneratedTool], server: str, name: str) -> GeneratedTool:
    first, second, third = chance.sample(real, 3)
    head, tail = _halves(first)[0], _halves(second)[1]
    raw = {"name": name, "description": f"{head} {tail}", "inputSchema": third.raw["inputSchema"]}
    pieces = (head, tail, words(name), words(server), third.document.text.parameters)
    return GeneratedTool(server, raw, tuple(piece for piece in pieces if piece))


def _halves(tool: GeneratedTool) -> tuple[str, str]:
    """The first sentence of a description and the rest; of one sentence, its halves."""
    text = clean(str(tool.raw["description"]))
    head, stop, tail = text.partition(". ")
    if stop and len(tail.split()) > 1:
        return f"{head}.", tail
    parts = text.split()
    middle = len(parts) // 2
    return " ".join(parts[:middle]), " ".join(parts[middle:])


def _recombined(chance: random.Random, real: Sequence[GeneratedTool]) -> str:
    verb, noun = (words(str(tool.raw["name"])).lower().split() for tool in chance.sample(real, 2))
    return "_".join((*verb[:1], *(noun[1:3] or noun[:1])))[:64]
