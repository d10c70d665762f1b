"""What operators lay over a tool: an alias, and a description of their own. The upstream's words stay beneath.

An alias has no `__`, which every tool id has (domain.names): so an alias can never be a tool id, not even of a tool
that is registered later, and both always name one tool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.canonical import sha256_hex
from domain.errors import InvalidInput
from domain.names import MAX_TOOL_ID, SEPARATOR
from domain.text import DESCRIPTION_CAP, ToolText, clean, stable_text, words

RESERVED = frozenset({"search_tools", "call_tool", "remove_tools"})
"""The names of Toolcrib's own tools."""

_ALIAS = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TOOL_ID}}}")


@dataclass(frozen=True, slots=True)
class Overlay:
    """None means: as the upstream has it. Raises InvalidInput for what could not be served."""

    alias: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if self.alias is not None:
            _require_alias(self.alias)
        if self.description is not None:
            _require_description(self.description)

    @property
    def is_empty(self) -> bool:
        return self.alias is None and self.description is None

    def definition(self, tool_id: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The tool as agents get it: our name, the operator's description, everything else as the server wrote it."""
        served = {"name": self.alias or tool_id, **{key: value for key, value in raw.items() if key != "name"}}
        return served if self.description is None else {**served, "description": self.description}

    def text(self, original: ToolText) -> ToolText:
        """The texts that are indexed: those of the tool as it is served."""
        if self.alias is not None:
            original = replace(original, name=words(self.alias))
        if self.description is not None:
            original = replace(original, description=clean(self.description)[:DESCRIPTION_CAP])
        return original

    def semantic_hash(self, original: ToolText, original_hash: str) -> str:
        """The hash of the served texts; without an overlay the document's own, so that nothing is embedded again."""
        return original_hash if self.is_empty else sha256_hex(stable_text(self.text(original)))


NONE = Overlay()


def _require_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            f"{alias[:80]!r} cannot be a tool's alias: use 1 to {MAX_TOOL_ID} of A-Z, a-z, 0-9, hyphen and underscore."
        )
    if SEPARATOR in alias:
        raise InvalidInput(
            f"{alias!r} cannot be a tool's alias: two underscores in a row are kept for names with a server in front."
        )
    if alias in RESERVED:
        raise InvalidInput(f"{alias!r} cannot be a tool's alias: it is the name of one of Toolcrib's own tools.")


def _require_description(description: str) -> None:
    if not clean(description):
        raise InvalidInput("A description needs words; to take the server's own again, reset it.")
    if len(description) > DESCRIPTION_CAP:
        raise InvalidInput(f"A description is {len(description):,} characters long; {DESCRIPTION_CAP:,} are allowed.")
    if any((char < " " and char not in "\n\t") or "\ud800" <= char <= "\udfff" for char in description):
        raise InvalidInput("A description holds control characters; write it as plain text.")
