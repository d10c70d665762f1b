"""Splits a query into clauses by rule: sentence ends, commas and connectives. No model, no language but English.

A request for three tools is three needs in one sentence; each asked on its own finds its tool, where the whole
finds the mean of them. What lists leave unsaid is completed first (index/distribution.py). Measured: docs/retrieval.md,
row `clauses` of the ablation table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from index.distribution import Vocabulary, distributed

MAX_CLAUSES = 12
"""More clauses than this are a story, not a list of needs; what follows stays in the last one."""

MIN_WORDS = 3
"""Words that mean something. Shorter pieces ("in Paris", "and India") are no needs of their own and stay with their
neighbour, unless they begin with an imperative ("send an email"). On the dev splits 3 finds more than 2 with a sixth
fewer clauses to embed (seal-tools, all in top 5: .868 to .880)."""

MAX_LETTERS = 8000
"""What stands behind them counts in the whole query alone."""

_CONNECTIVE = (
    r"(?:and|or|then|also|plus|but|so|too|besides|meanwhile|next|first(?:ly)?|second(?:ly)?|third(?:ly)?|last(?:ly)?"
    r"|finally|additionally|furthermore|moreover|afterwards|after that|in addition|as well(?: as)?)"
)
_LEADING = re.compile(rf"(?:{_CONNECTIVE}\b[\s,:.]*)+", re.IGNORECASE)
_TRAILING = re.compile(rf"(?:[\s,;]+{_CONNECTIVE})+[\s,;:.]*$", re.IGNORECASE)
_TAIL = 64
"""Letters at the end of a piece in which a trailing connective is looked for."""

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n")
_PART = re.compile(
    r",\s+|\s(?:and then|and also|as well as|along with|and|then|also|plus|after that|afterwards|finally|additionally"
    r"|furthermore|moreover)\s",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`|\{[^{}]*\}|\([^()]*\)"
    r"|\N{LEFT DOUBLE QUOTATION MARK}[^\N{RIGHT DOUBLE QUOTATION MARK}]*\N{RIGHT DOUBLE QUOTATION MARK}"
)
_WORD = re.compile(r"\w+")
_EMPTY = """
a an the of to in on at for from with by and or is are am be it its this that these those i you he she we they
me my your our his their him her them please can could would will do does did not no as if so
"""
_VERBS = """
add analyze apply assign book browse buy calculate call cancel check close commit compare compute convert copy
count create deactivate debug delete deploy describe detect download draw edit email execute export extract
fetch find generate get give import install list load locate log look lookup make merge modify monitor move
open order pay play post predict print publish query read recommend record remove rename reply report reserve
resolve restart retrieve return run save schedule search send set share show sort start stop store submit
subscribe suggest summarize summarise tell track translate turn update upload validate verify watch write
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())
_IMPERATIVES = frozenset(_VERBS.split())
_ASKING = """
how what which who whom whose when where why about into onto let us up out anything something some any also just now
then today need needs want wants like have has had there here what's i'm i'd i've it's
"""
_VOCABULARY = Vocabulary(_EMPTY_WORDS | frozenset(_ASKING.split()), _IMPERATIVES)


@lru_cache(maxsize=1024)
def clauses(query: str) -> tuple[str, ...]:
    """The needs inside a query, in order; empty when it is only one, since the whole query is asked anyway.

    >>> clauses("Book a table for two people, send the invitation to Ann and check the weather in 'Rome and Bari'.")
    ('Book a table for two people', 'send the invitation to Ann', "check the weather in 'Rome and Bari'.")
    """
    text = "\n".join(" ".join(line.split()) for line in query[:MAX_LETTERS].splitlines())
    sentences = [(sentence, list(_pieces(sentence, _PART))) for sentence in _pieces(text, _SENTENCE)]
    if complete := distributed(sentences, _VOCABULARY):
        return tuple(complete)
    found: list[str] = []
    for _, parts in sentences:
        own: list[str] = []
        for part in parts:
            _join(own, part)
        if len(own) == 1:
            _join(found, own[0])
        else:
            found += own
    found = list(dict.fromkeys(found))
    found[MAX_CLAUSES - 1 :] = [", ".join(found[MAX_CLAUSES - 1 :])] if len(found) >= MAX_CLAUSES else []
    return tuple(found) if len(found) > 1 else ()


def _join(pieces: list[str], piece: str) -> None:
    """Append, or lengthen the last one where either is too short to be a need."""
    if pieces and (not _is_need(piece) or not _is_need(pieces[-1])):
        pieces[-1] = f"{pieces[-1]}, {piece}"
    else:
        pieces.append(piece)


def _is_need(piece: str) -> bool:
    told = [word for word in _WORD.findall(piece.lower()) if word not in _EMPTY_WORDS]
    return len(told) >= MIN_WORDS or (len(told) > 1 and told[0] in _IMPERATIVES)


def _pieces(text: str, border: re.Pattern[str]) -> Iterator[str]:
    """What lies between borders, without the connectives at its ends. Quotations and brackets stay whole."""
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    start = 0
    for match in border.finditer(text):
        while quoted and quoted[0][1] - 1 <= match.start():
            del quoted[0]
        if quoted and quoted[0][0] < match.start():
            continue
        yield from _tidy(text[start : match.start()])
        start = match.end()
    yield from _tidy(text[start:])


def _tidy(piece: str) -> Iterator[str]:
    piece = piece.strip(" ,;")
    leading = _LEADING.match(piece)
    body = piece[leading.end() :] if leading else piece
    tidied = (body[:-_TAIL] + _TRAILING.sub("", body[-_TAIL:])).strip(" ,;")
    if _WORD.search(tidied):
        yield tidied
