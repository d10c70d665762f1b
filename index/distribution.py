"""Completes what a list leaves unsaid: "revenue and EPS of A, B and C" asks for six things, each with a word of its own
and a name of its own. By rule, from the pieces between commas and connectives; names are what is written with capitals.

    revenue | EPS of A | B          what the lists on both sides of the preposition share is said once
    For A | B | show the revenue    the names come first, or hold the sentence together: Compare A | B by revenue
    I own A | B. Show the revenue of each.

A piece that has its own name and its own need is complete. Measured: docs/sync-benchmark.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_CLAUSES = 12
"""A product of more is asked for as a whole."""

SHORT = 3
"""Words of a piece that stands for itself without a name."""

MAX_WORDS = 6
"""Of a need that a list completes, verb apart. Longer ones are sentences, and complete."""

_NAME = re.compile(r"(?<![\w'])[A-Z][\w&-]*(?:\.?[ ](?=[A-Z])[A-Z][\w&-]*)*")
_POSSESSIVE = re.compile(r"^['\N{RIGHT SINGLE QUOTATION MARK}](?:s\b)?\s*")
_PREPOSITION = re.compile(r"(?:^|\s)(?:of|for|at|in|from|on|by|about)\s*(?:the\s*)?$", re.IGNORECASE)
_CRITERION = re.compile(r"(?:by|on|in terms of)\b", re.IGNORECASE)
_EACH = re.compile(
    r"\s*\b(?:(?:of|for|at|in|on|by|about|from)\s+)?(?:each(?: one)?|every(?: single)? one|all|both|them|these|those)"
    r"(?:\s+of\s+(?:them|these|those))?\b(?=\W*$)"
)
_PAIR = re.compile(r"\bbetween\b", re.IGNORECASE)
"""Its two names are one thing."""

_WORD = re.compile(r"[\w&'-]+")
_EDGES = " .,;:!?"
_DATES = """
january february march april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday am pm
"""
_TIMES = frozenset(_DATES.split())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Lower case words: those that mean nothing by themselves, and those that begin a request."""

    empty: frozenset[str]
    imperatives: frozenset[str]

    def content(self, text: str) -> list[str]:
        """The words that say what is wanted."""
        return [word for word in _WORD.findall(text.lower()) if word not in self.empty]

    def needs(self, text: str) -> list[str]:
        """The same, without a verb at the beginning that only asks for it."""
        told = self.content(text)
        return told[1:] if told and told[0] in self.imperatives else told


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text around the first and the last name: `before` A `after`; no name: all of it is `before`."""

    before: str
    name: str = ""
    after: str = ""

    @property
    def is_acronym(self) -> bool:
        """Whether it is nothing but capitals, which may be a name or what is wanted."""
        return not self.before and not self.after and _is_acronym(self.name)

    @property
    def text(self) -> str:
        return " ".join(part for part in (self.before, self.name, self.after) if part)


def distributed(sentences: Sequence[tuple[str, Sequence[str]]], words: Vocabulary) -> list[str]:
    """The complete needs; none where every piece stands for itself. `sentences`: each, and the pieces of it."""
    found: list[str] = []
    before = _Told()
    changed = False
    for text, pieces in sentences:
        if _PAIR.search(text):
            return []
        read = [_read(piece, words, first=at == 0) for at, piece in enumerate(pieces)]
        if before.names and (needs := _of_each(read, before.names, words)):
            del found[len(found) - len(before.clauses) :]  # they only said whom it is about
            told = _Told([f"{need} {name}" for name in before.names for need in needs], before.names, completed=True)
        else:
            told = _told(text, read, words)
        found += told.clauses
        changed = changed or told.completed
        before = told
    found = [clause for clause in dict.fromkeys(found) if _WORD.search(clause)]
    return found if changed and 1 < len(found) <= MAX_CLAUSES else []


@dataclass(slots=True)
class _Told:
    """What one sentence says. `completed`: whether a clause of it says what its piece left unsaid."""

    clauses: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    completed: bool = False

    def add(self, needs: Sequence[str], names: Sequence[str], *, short: bool = False) -> None:
        self.clauses += [need.format(name=name) for name in names for need in needs]
        self.names += names
        self.completed = self.completed or short or len(needs) * len(names) > 1


def _told(text: str, pieces: Sequence[_Piece], words: Vocabulary) -> _Told:
    told = _Told()
    loose: list[str] = []  # needs that wait for the name of a later piece
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if not piece.name or (loose and piece.is_acronym):
            loose.append(piece.text)
            at += 1
            continue
        names, after, at = _names(text, pieces, at, words)
        at_name = _PREPOSITION.search(piece.before)
        has_own_need = bool(words.needs(piece.before))
        if has_own_need or not (len(names) > 1 or (at_name and not after) or _CRITERION.match(after)):
            shares = at_name and has_own_need and not _begins(piece.before, words)
            shared = loose if shares and _are_short((*loose, piece.before, after), words) else []
            told.clauses += [need for need in loose if need not in shared and words.content(need)]
            needs = [_slot(need, at_name.group() if at_name else "", after) for need in shared]
            needs.append(_slot(piece.before, "", after))
        else:
            told.clauses += [need for need in loose if words.content(need)]
            end = at
            while (
                end < len(pieces)
                and _goes_on(pieces[end], names)
                and not _begins(pieces[end].before, words, later=end > at)
            ):
                end += 1
            if end == at and end < len(pieces) and not words.content(after):
                end += 1  # whatever it is, it is why they were named
            more = [pieces[number].text for number in range(at, end)]
            needs = [_slot(need, "", "") for need in (after, *more) if words.content(need)]
            needs = needs or [_slot(piece.before, "", "")]
            at = end
        owns = at_name or _POSSESSIVE.match(piece.after)
        is_short = len(words.content(piece.text)) < SHORT and bool(words.needs(f"{piece.before} {after}"))
        told.add(needs, names, short=bool(owns) and is_short)
        loose = []
    told.clauses += [need for need in loose if len(words.content(need)) > 1]
    return told


def _names(text: str, pieces: Sequence[_Piece], at: int, words: Vocabulary) -> tuple[list[str], str, int]:
    """The names of a list that begins with this piece, what stands behind the last one, and the piece after it."""
    first = pieces[at]
    names, after = [first.name], first.after
    is_bound = bool(words.needs(first.before))
    end = at + 1
    while not words.content(after) and end < len(pieces):
        piece = pieces[end]
        owns = bool(_POSSESSIVE.match(piece.after))
        if not piece.name or words.content(piece.before) or (owns and is_bound):
            break
        names.append(piece.name)
        after = piece.after
        end += 1
    if len(names) > 1 and not re.search(rf"\b(?:and|or)\s+(?:\w+\s+)?{re.escape(names[-1])}", text):
        return [first.name], _POSSESSIVE.sub("", first.after), at + 1  # "Palma, Spain" is one place
    return names, _POSSESSIVE.sub("", after), end


def _of_each(pieces: Sequence[_Piece], names: Sequence[str], words: Vocabulary) -> list[str]:
    """What a sentence without names asks of each that was named before; nothing when it does not speak of them."""
    texts = [piece.text for piece in pieces]
    if not any(map(_EACH.search, texts)) or any(piece.name and not _is_wanted(piece.name, names) for piece in pieces):
        return []
    return [need for text in texts if words.content(need := _EACH.sub("", text).strip())]


def _goes_on(piece: _Piece, names: Sequence[str]) -> bool:
    """Whether a piece behind a list of names says what is wanted of them: no name, or an acronym among words."""
    return not piece.name or (piece.is_acronym and _is_wanted(piece.name, names))


def _is_wanted(name: str, names: Sequence[str]) -> bool:
    """Whether an acronym is rather what is wanted of these names than one of them."""
    return _is_acronym(name) and not any(map(_is_acronym, names))


def _begins(text: str, words: Vocabulary, *, later: bool = True) -> bool:
    """Whether it is a request of its own: a verb with an object ("send an email", not "share price")."""
    told = _WORD.findall(text.lower())
    has_object = len(told) > 1 and (told[1] in words.empty or len(words.content(text)) > SHORT)
    return later and has_object and told[0] in words.imperatives


def _are_short(needs: Sequence[str], words: Vocabulary) -> bool:
    return all(len(words.needs(need)) <= MAX_WORDS for need in needs)


def _slot(before: str, between: str, after: str) -> str:
    """A text with a place for the name."""
    parts = (before.strip(), between.strip(), "\0", after.strip())
    return " ".join(part for part in parts if part).replace("{", "{{").replace("}", "}}").replace("\0", "{name}")


def _read(text: str, words: Vocabulary, *, first: bool) -> _Piece:
    """`first`: whether it begins a sentence, where a capital says nothing."""
    text = text.strip(_EDGES)
    spans = [span for match in _NAME.finditer(text) if (span := _span(match, words, first=first))]
    while len(spans) > 1 and _is_acronym(text[slice(*spans[0])]) and text[spans[0][1] :].startswith(" of "):
        del spans[0]  # "EPS of A": the acronym is what is wanted
    if not spans:
        return _Piece(text)
    start, end = spans[0]
    if words.content(text[:start]):  # "a flight from A to B" has one name of two words; "A by EPS" begins with its name
        end = spans[-1][1]
    return _Piece(text[:start].rstrip(), text[start:end], text[end:].lstrip())


def _is_acronym(name: str) -> bool:
    return name.isupper() and name.isalpha() and len(name) > 1


def _span(match: re.Match[str], words: Vocabulary, *, first: bool) -> tuple[int, int] | None:
    """Where the name is, without a word before it that only begins the sentence; None where there is none."""
    start, (head, _, rest) = match.start(), match.group().partition(" ")
    if head.lower() in words.empty or (first and not match.start() and _only_begins(head, rest, words)):
        start += len(head) + 1
        head = rest
    return (start, match.end()) if head and head.lower() not in words.empty | _TIMES else None


def _only_begins(head: str, rest: str, words: Vocabulary) -> bool:
    return head.lower() in words.imperatives or not (rest or head.isupper())
