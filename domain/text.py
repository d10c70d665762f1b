"""Text that is indexed: normalised, invisible characters removed, capped per field.

A tool's fields are rebuilt by Toolcrib from name, description and schema; nothing an upstream puts elsewhere
(`_meta`, questions of its own) reaches the index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

TEXT_VERSION = "2"
"""Part of every semantic hash: raise it when a rule below changes, and every text is embedded again."""

NAME_CAP = 128
DESCRIPTION_CAP = 4096
PARAMETERS_CAP = 4096
_PARAMETER_CAP = 256

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[_\-./:\\|]+")
_SPACES = re.compile(r"\s+")
_ASCII_CONTROLS = {code: " " if chr(code) in "\t\n\r" else None for code in (*range(32), 127)}
_VOLATILE_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b")


@dataclass(frozen=True, slots=True)
class ToolText:
    """The texts of one tool, ready to be embedded or tokenised. Fields may be empty, never None."""

    server: str
    name: str
    description: str
    parameters: str

    @property
    def concat(self) -> str:
        """One document: description, name, server and parameters.

        The order was chosen on dev and train splits: against server - name - description - parameters, dense Recall@5
        rises on toole (.741 to .757), seal-tools (.629 to .642) and tau2 (.588 to .603), and falls on api-bank (.623
        to .618).
        """
        return " ".join(part for part in (self.description, self.name, self.server, self.parameters) if part)


def clean(text: str) -> str:
    """NFKC, no ANSI sequences, no control, format, private-use or surrogate characters, single spaces."""
    plain = _ANSI.sub("", text)
    if plain.isascii():  # most of a catalogue: NFKC changes nothing here, and a table knows all control characters
        return _SPACES.sub(" ", plain.translate(_ASCII_CONTROLS)).strip()
    folded = unicodedata.normalize("NFKC", plain)
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r" else "" for c in folded)
    return _SPACES.sub(" ", visible).strip()


def words(identifier: str) -> str:
    """`getUserById`, `get_user_by_id` and `get-user-by-id` all become `get User By Id` in their own case."""
    return _SPACES.sub(" ", _CAMEL.sub(" ", _SEPARATORS.sub(" ", clean(identifier)))).strip()


def tool_text(server_title: str, raw: Mapping[str, Any]) -> ToolText:
    """The indexed texts of one upstream tool. Unknown or malformed parts count as empty."""
    return ToolText(
        server=words(server_title)[:NAME_CAP],
        name=words(str(raw.get("name", "")))[:NAME_CAP],
        description=_description(raw)[:DESCRIPTION_CAP],
        parameters=", ".join(_parameters(raw.get("inputSchema")))[:PARAMETERS_CAP],
    )


def stable_text(text: ToolText) -> str:
    """What the semantic hash covers: the texts without dates, which some servers renew on every listing."""
    fields = (text.server, text.name, text.description, text.parameters)
    return "\x1f".join((TEXT_VERSION, *(without_dates(field) for field in fields)))


def without_dates(text: str) -> str:
    """The text without dates and times in ISO form."""
    return _VOLATILE_DATE.sub("", text)


def _description(raw: Mapping[str, Any]) -> str:
    description = raw.get("description")
    if isinstance(description, str) and description.strip():
        return clean(description)
    title = raw.get("title")
    return clean(title) if isinstance(title, str) else ""


def _parameters(schema: object) -> Iterator[str]:
    """`name: description` of every top-level property, in schema order."""
    if not isinstance(schema, Mapping):
        return
    properties = cast("Mapping[str, Any]", schema).get("properties")
    if not isinstance(properties, Mapping):
        return
    for name, prop in list(cast("Mapping[str, Any]", properties).items())[:_PARAMETER_CAP]:
        described = prop.get("description") if isinstance(prop, Mapping) else None
        label = words(str(name))
        yield f"{label}: {clean(described)}" if isinstance(described, str) and described.strip() else label
