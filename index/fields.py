"""Which texts of a tool become which vectors, as data: a further dense field is a further row.

Chosen on the dev splits (toole, seal-tools, mcp-catalogue, api-bank, tau2): beside `concat`, a vector of the name alone
raises mean Recall@5 of the hybrid from .738 to .750 and of dense retrieval on toole's two-tool queries from .60 to .67.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.text import ToolText
from index.identifiers import with_parts


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One named dense vector of a point."""

    name: str
    text: Callable[[ToolText], str]


CONCAT = "concat"
NAME = "name"

DENSE_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec(CONCAT, lambda text: text.concat),
    FieldSpec(NAME, lambda text: text.name),
)


def sparse_text(text: ToolText) -> str:
    """What the sparse vector is made of. The name counts twice: +.002 to +.018 Recall@5, on every dev split."""
    return with_parts(f"{text.name} {text.concat}")
