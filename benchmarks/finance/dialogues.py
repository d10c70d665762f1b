"""Dialogues of a hundred turns about a market: who follows some companies asks for one to ten figures at a time.

The watchlist drifts, so that what was asked before is often asked again: what a tool memory is for. Each turn is a
query of its own as well: those with figures are what retrieval is scored on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.finance.catalogue import FinanceServer, by_pair
from benchmarks.finance.companies import Company
from benchmarks.finance.metrics import METRICS, Metric
from benchmarks.finance.wording import PARAPHRASE, TEMPLATE, Wording

TURNS = 100
DIALOGUES: Mapping[str, int] = {"dev": 8, "test": 12}
"""Half of each in the tools' words, half in others."""

SIZES: Mapping[int, int] = {1: 10, 2: 10, 3: 11, 4: 13, 5: 14, 6: 14, 7: 9, 8: 8, 9: 6, 10: 5}
"""Tools of a query -> of a hundred queries: 5.0 in the mean, as in the paper."""

_WATCHED = 12
_LEAVES = 0.15
_SMALL_TALK = 0.08


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said, and the servers whose tools answer it; none for small talk."""

    query: str
    gold: tuple[FinanceServer, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`style`: template or paraphrase."""

    dialogue_id: str
    split: str
    style: str
    turns: tuple[Turn, ...]


def dialogues(servers: Sequence[FinanceServer], seed: int, counts: Mapping[str, int] = DIALOGUES) -> list[Dialogue]:
    """Of `counts` dialogues per split. The same seed says the same."""
    known = by_pair(servers)
    whole = [company for company in _distinct(servers) if (company.name, METRICS[-1].key) in known]
    return [
        Dialogue(f"{split}/{style}/{number}", split, style, _Speaker(known, whole, split, style, seed + number).turns())
        for split, count in counts.items()
        for style in (TEMPLATE, PARAPHRASE)
        for number in range(count // 2)
    ]


class _Speaker:
    """One dialogue in the making."""

    def __init__(
        self,
        known: Mapping[tuple[str, str], FinanceServer],
        market: Sequence[Company],
        split: str,
        style: str,
        seed: int,
    ) -> None:
        self._known = known
        self._market = market
        self._chance = random.Random(f"{split}/{style}/{seed}")
        self._wording = Wording(split, style, self._chance)
        self._watched = self._chance.sample(market, min(_WATCHED, len(market)))

    def turns(self) -> tuple[Turn, ...]:
        return tuple(self._turn() for _ in range(TURNS))

    def _turn(self) -> Turn:
        if self._chance.random() < _SMALL_TALK:
            return Turn(self._wording.small_talk(), ())
        self._drift()
        [size] = self._chance.choices(list(SIZES), list(SIZES.values()))
        size = min(size, len(self._watched) * len(METRICS))
        shapes = [one for one in range(1, len(METRICS) + 1) if size % one == 0 and size // one <= len(self._watched)]
        if size > 1 and (not shapes or self._chance.random() < 1 / 3):
            return self._list(size)
        return self._grid(size, self._chance.choice(shapes))

    def _grid(self, size: int, figures: int) -> Turn:
        firms = self._chance.sample(self._watched, size // figures)
        metrics = self._chance.sample(METRICS, figures)
        asked = [(company, metric) for company in firms for metric in metrics]
        return Turn(self._wording.grid(firms, metrics), self._gold(asked))

    def _list(self, size: int) -> Turn:
        pairs = self._chance.sample([(company, metric) for company in self._watched for metric in METRICS], size)
        return Turn(self._wording.pairs(pairs), self._gold(pairs))

    def _gold(self, pairs: Sequence[tuple[Company, Metric]]) -> tuple[FinanceServer, ...]:
        return tuple(self._known[company.name, metric.key] for company, metric in pairs)

    def _drift(self) -> None:
        if self._chance.random() < _LEAVES and len(self._market) > len(self._watched):
            fresh = self._chance.choice([one for one in self._market if one not in self._watched])
            self._watched[self._chance.randrange(len(self._watched))] = fresh


def _distinct(servers: Sequence[FinanceServer]) -> list[Company]:
    return list(dict.fromkeys(server.company for server in servers))
