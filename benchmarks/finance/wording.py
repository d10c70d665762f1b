"""Sentences that ask for several figures of several companies, in the tools' own words and in other people's.

A grid asks every figure of every company, a list asks pairs that have nothing to do with each other. Frames of `dev`
and of `test` differ, like the words for the figures (benchmarks.finance.metrics).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from benchmarks.finance.companies import Company
from benchmarks.finance.metrics import Metric

TEMPLATE, PARAPHRASE = "template", "paraphrase"

Pair = tuple[Company, Metric]

_TEMPLATE_GRIDS = (
    "What is the {figures} of {companies}?",
    "Get the {figures} for {companies}.",
    "Show me the {figures} of {companies}.",
    "I need the {figures} of {companies}.",
)
_TEMPLATE_LISTS = ("Get {pairs}.", "What is {pairs}?", "Show me {pairs}.", "I need {pairs}.")

_GRIDS: Mapping[str, tuple[str, ...]] = {
    "dev": (
        "Compare {companies} by {figures}.",
        "I am looking into {companies}. Tell me the {figures} of each.",
        "For {companies}, could you pull up the {figures}?",
        "Has anything changed in the {figures} of {companies} lately?",
        "Give me a picture of the {figures} at {companies}.",
    ),
    "test": (
        "How do {companies} stack up on {figures}?",
        "We hold shares of {companies}; what about the {figures} of each of them?",
        "Put together the {figures} for {companies}, please.",
        "My watchlist has {companies}. I want to see the {figures} for every one.",
        "My boss asks about the {figures} of {companies}, can you help?",
        "Anything on {companies}? Mostly the {figures}.",
    ),
}
_LISTS: Mapping[str, tuple[str, ...]] = {
    "dev": ("Could you find out {pairs}?", "For my notes: {pairs}.", "I wonder about {pairs}."),
    "test": ("Let me know {pairs}, would you?", "Today I have to report {pairs}.", "Please look up {pairs} for me."),
}
_SMALL_TALK: Mapping[str, tuple[str, ...]] = {
    "dev": ("Good morning!", "Great, that is all I wanted to know.", "Give me a minute to write this down."),
    "test": ("Thanks a lot, that helps.", "Hold on, I am in a meeting.", "Perfect.", "Let me think about that."),
}


class Wording:
    """Words one request. `split` and `style` say which words may be used."""

    def __init__(self, split: str, style: str, chance: random.Random) -> None:
        self._split = split
        self._style = style
        self._chance = chance

    def grid(self, firms: Sequence[Company], metrics: Sequence[Metric]) -> str:
        frames = _TEMPLATE_GRIDS if self._style == TEMPLATE else _GRIDS[self._split]
        figures = _joined([self._figure(metric) for metric in metrics])
        return self._chance.choice(frames).format(figures=figures, companies=_joined(self._firms(firms)))

    def pairs(self, pairs: Sequence[Pair]) -> str:
        frames = _TEMPLATE_LISTS if self._style == TEMPLATE else _LISTS[self._split]
        said = [self._pair(company, metric) for company, metric in pairs]
        return self._chance.choice(frames).format(pairs=_joined(said))

    def small_talk(self) -> str:
        return self._chance.choice(_SMALL_TALK[self._split])

    def _pair(self, company: Company, metric: Metric) -> str:
        [name] = self._firms([company])
        figure = self._figure(metric)
        if self._style == PARAPHRASE and self._chance.random() < 0.4:
            return f"{name}'{'' if name.endswith('s') else 's'} {figure}"
        return f"the {figure} of {name}"

    def _figure(self, metric: Metric) -> str:
        return metric.label if self._style == TEMPLATE else self._chance.choice(metric.said[self._split])

    def _firms(self, firms: Sequence[Company]) -> list[str]:
        """Names; in a third of the paraphrases, tickers."""
        if self._style == PARAPHRASE and self._chance.random() < 1 / 3:
            return [company.ticker for company in firms]
        return [company.name for company in firms]


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
