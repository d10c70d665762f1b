"""Tools that a query names: the same key for every spelling, and the keys that a query may mean.

A key is the name's letters and digits, lower case, so that `read_file`, `readFile`, `read-file` and "read file" agree;
each tool also has keys with its server in front (`github__list_issues`, `github.listIssues`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from index.identifiers import identifiers
from index.ports import IndexDocument

_APART = re.compile(r"[\W_]+")
"""What is neither letter nor digit."""

MAX_KEY = 256
MIN_PREFIX = 4
"""Letters of a name before it is looked up as a prefix: fewer begin half of a catalogue."""

TYPED_WORDS = 3
"""Longer queries are sentences, where only what is joined by `_` begins a name: taking "check-in" and "YouTube" for
beginnings costs seal-tools .006 Recall@5 and .017 complete@5 on dev."""

WINDOW = range(2, 6)
"""Consecutive words of a query that may be a name: single words ("search") are language first."""

MAX_WINDOWS = 128
MAX_NAME_WORDS = 8


@dataclass(frozen=True, slots=True)
class Mentions:
    """Keys found in a query."""

    exact: tuple[str, ...] = ()  # written as a name, or the whole query: these tools come first
    phrases: tuple[str, ...] = ()  # words that spell a name: these tools are included
    prefixes: tuple[str, ...] = ()  # beginnings of names: these tools are included


def key(text: str) -> str:
    """The letters and digits of a name, without case.

    >>> key("GitHub__list-Issues")
    'githublistissues'
    """
    return _APART.sub("", text.casefold())[:MAX_KEY]


def name_keys(document: IndexDocument) -> tuple[str, ...]:
    """The keys under which a tool is found: tool_id and every name, alone and behind the server's slug and title."""
    spellings = [document.tool_id]
    for name in (document.text.name, *document.names):
        spellings += [name, f"{document.server} {name}", f"{document.text.server} {name}"]
    return tuple(dict.fromkeys(found for spelling in spellings if (found := key(spelling))))


def mentions(query: str) -> Mentions:
    """Every key that `query` may mean. Long queries are read up to MAX_WINDOWS word groups.

    >>> mentions("please use `read_file` on the report that I sent you").exact
    ('readfile',)
    """
    tokens = query.split()
    written = list(identifiers(query))
    if len(tokens) <= MAX_NAME_WORDS:
        written.insert(0, query)
    exact = _keys(written)
    phrases = tuple(phrase for phrase in _keys(list(_windows(tokens))) if phrase not in exact)
    begun = exact if len(tokens) <= TYPED_WORDS else _keys([one for one in written if "_" in one])
    prefixes = tuple(one for one in begun if len(one) >= MIN_PREFIX)
    return Mentions(exact, phrases, prefixes)


def _windows(tokens: Sequence[str]) -> Iterator[str]:
    groups = (
        "".join(tokens[at : at + size]) for at in range(len(tokens)) for size in WINDOW if at + size <= len(tokens)
    )
    for _, group in zip(range(MAX_WINDOWS), groups, strict=False):
        yield group


def _keys(spellings: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for spelling in spellings if (found := key(spelling))))
