"""Looks at a tool's new words for what hides, misleads or gives orders. A change with a warning waits for a person.

Small and pure on purpose: `scan` is the seam behind which the scanners of the security work stand. It knows neither
servers nor the catalogue: look-alikes of other servers' tools are given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from domain.field_changes import FieldChange
from domain.lookalikes import mixed_alphabets

MAX_WARNINGS = 20
"""Per tool: a person who sees so many needs no more."""


class Danger(StrEnum):
    """What a warning is about."""

    INVISIBLE = "invisible"  # characters that nobody sees and a model reads: tags, bidi controls, zero widths
    CONTROL = "control"  # ANSI escapes and other control characters
    LOOKALIKE = "lookalike"  # a name that can be taken for another server's tool, or mixes alphabets
    INSTRUCTION = "instruction"  # words that give a model orders


@dataclass(frozen=True, slots=True)
class ScanWarning:
    """One finding. `where` is a JSON Pointer into the tool."""

    danger: Danger
    where: str
    what: str  # a sentence; characters that are not to be shown stand as U+XXXX


_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols by category, nothing to the eye
_JOINERS = frozenset("\u200c\u200d")
_SELECTORS = frozenset("\ufe0e\ufe0f")
_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for pattern in (
        r"""\b(?:ignore|disregard|forget|override)\b .{0,30} \b(?:previous|prior|above|earlier|preceding|other)\b
        .{0,30} \b(?:instruction|prompt|rule|direction|message)s?\b""",
        r"</?\s*(?:important|system|secret|instructions?|critical|admin)\s*>",
        r"""\b(?:do\ not|don't|never|without)\s+(?:tell|telling|mention|mentioning|inform|informing|notify|notifying
        |reveal|revealing|show|showing|ask|asking)\b .{0,40} \buser\b""",
        r"""\bbefore\s+(?:using|calling|invoking)\s+(?:this|any|other|the)\b .{0,60} \b(?:read|call|send|fetch|include
        |run|execute)\b""",
        r"(?:~|\$home|/home/\w+|/root)/\.(?:ssh|aws|gnupg|cursor|config|netrc|kube)\b|\bid_(?:rsa|ed25519)\b",
        r"""\b(?:system|hidden|developer)\s+prompt\b .{0,40} \b(?:reveal|print|send|include|output|pass)\b
        |\b(?:reveal|print|send|include|output|pass)\b .{0,40} \b(?:system|hidden|developer)\s+prompt\b""",
        r"\byou\s+(?:must|have\ to|should)\s+always\b .{0,40} \b(?:call|use|invoke|run|prefer)\b .{0,30} \bthis\b",
    )
)
"""Seen in published attacks (tool poisoning, shadowing). Of the 3,119 real tools of mcp-catalogue one has them."""


def scan(changes: Sequence[FieldChange], name: str, twins: Sequence[str] = ()) -> tuple[ScanWarning, ...]:
    """Warnings about what is new in `changes`; what the approved version said already warns of nothing.

    `twins`: names of other servers' tools that `name`, the tool's own, looks like.
    """
    found = list(_about_name(name, twins)) if any(change.field in {"", "name"} for change in changes) else []
    for change in changes:
        old = dict(_texts(change.path, change.before))
        for where, text in _texts(change.path, change.after):
            found += _about_text(where, text, old.get(where, ""))
    return tuple(found[:MAX_WARNINGS])


def is_hidden(char: str, before: str = "", after: str = "") -> bool:
    """Whether a character is invisible without the use that writing has for it: joiners within words and emoji,
    selectors behind a visible character.
    """
    if char in _BLANKS:
        return True
    if unicodedata.category(char) not in {"Cf", "Co", "Cn"} and not _is_selector(char):
        return False
    if char in _JOINERS:
        return not (_is_joined(before) and _is_joined(after))
    return not (char in _SELECTORS and before != "" and before.isprintable() and not before.isspace())


def revealed(text: str) -> str:
    r"""The text with everything that hides or moves a cursor written out, for a person's eyes.

    >>> revealed("safe\u202eelif")
    'safe<U+202E>elif'
    """
    return "".join(_shown(char, text[at - 1 : at], text[at + 1 : at + 2]) for at, char in enumerate(text))


def _shown(char: str, before: str, after: str) -> str:
    is_odd = is_hidden(char, before, after) or _is_control(char) or "\ud800" <= char <= "\udfff"
    return f"<{_code(char)}>" if is_odd else char


def _about_name(name: str, twins: Sequence[str]) -> Iterator[ScanWarning]:
    if twins:
        others = ", ".join(sorted(twins)[:3])
        yield ScanWarning(Danger.LOOKALIKE, "/name", f"The name can be taken for {others} of another server.")
    if alphabets := mixed_alphabets(name):
        mixed = " and ".join(alphabet.title() for alphabet in alphabets)
        yield ScanWarning(Danger.LOOKALIKE, "/name", f"The name mixes {mixed} letters.")


def _about_text(where: str, text: str, old: str) -> Iterator[ScanWarning]:
    if text == old:
        return
    if not text.isascii():
        hidden = set(_hidden(text)) - set(_hidden(old))
        if hidden:
            yield ScanWarning(Danger.INVISIBLE, where, f"It holds invisible characters: {_codes(hidden)}.")
    controls = {char for char in text if _is_control(char)} - set(old)
    if controls:
        yield ScanWarning(Danger.CONTROL, where, f"It holds control characters: {_codes(controls)}.")
    plain = " ".join(text.split())
    for order in _ORDERS:
        if (match := order.search(plain)) is not None and not order.search(" ".join(old.split())):
            yield ScanWarning(Danger.INSTRUCTION, where, f"It reads like an order: {revealed(match.group()[:120])!r}.")


def _texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every text below a value, keys included, with its pointer."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            below = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            yield f"{below}#", key
            yield from _texts(below, inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _texts(f"{path}/{at}", inner)


def _hidden(text: str) -> Iterator[str]:
    for at, char in enumerate(text):
        if char > "\x7f" and is_hidden(char, text[at - 1 : at] if at else "", text[at + 1 : at + 2]):
            yield char


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _is_joined(char: str) -> bool:
    """Whether a joiner may stand beside it: letters and marks that join, emoji and their selectors."""
    return char != "" and char > "\x7f" and (unicodedata.category(char) in {"Lo", "Mn", "Mc", "So", "Sk"})


def _is_control(char: str) -> bool:
    return (char < " " and char not in "\t\n\r") or "\x7f" <= char <= "\x9f"


def _codes(chars: set[str]) -> str:
    return ", ".join(_code(char) for char in sorted(chars)[:6])


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"
