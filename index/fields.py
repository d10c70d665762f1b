"""Which texts of a tool become which vectors, as data: a further dense field is a further row.

Chosen on the dev splits (toole, seal-tools, mcp-catalogue, api-bank, tau2): beside `concat`, a vector of the name alone
raises mean Recall@5 of the hybrid from .738 to .750 and of dense retrieval on toole's two-tool queries from .60 to .67.
The others are stored only where a profile weighs them (docs/adr/0039).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.text import ToolText
from index.identifiers import with_parts
from index.templates import template_questions

Parts = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One named dense vector of a point: the weighted sum of the vectors of these texts, of unit length."""

    name: str
    parts: Callable[[ToolText], Parts]


CONCAT = "concat"
NAME = "name"
DESCRIPTION = "description"
PARAMETERS = "parameters"
QUESTIONS = "questions"
TDWA = "tdwa"

TDWA_WEIGHTS: Mapping[str, float] = {NAME: 0.2, DESCRIPTION: 0.2, PARAMETERS: 0.2, QUESTIONS: 0.4}
"""Tool Document Weighted Average, first variant (ScaleMCP, arXiv 2505.06416)."""


def _description(text: ToolText) -> Parts:
    return [(1.0, text.description or text.concat)]


def _parameters(text: ToolText) -> Parts:
    return [(1.0, text.parameters or text.concat)]


def _questions(text: ToolText) -> Parts:
    asked = [question.text for question in template_questions(text)] or [text.concat]
    return [(1 / len(asked), question) for question in asked]


def _tdwa(text: ToolText) -> Parts:
    return [
        (TDWA_WEIGHTS[spec.name] * share, part)
        for spec in (*DENSE_FIELDS, *WEIGHED_FIELDS)
        if spec.name in TDWA_WEIGHTS
        for share, part in spec.parts(text)
    ]


DENSE_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec(CONCAT, lambda text: [(1.0, text.concat)]),
    FieldSpec(NAME, lambda text: [(1.0, text.name)]),
)
"""What every point has."""

WEIGHED_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec(DESCRIPTION, _description),
    FieldSpec(PARAMETERS, _parameters),
    FieldSpec(QUESTIONS, _questions),
)
"""A tool without description or parameters has its whole document there. Questions are those by rule, and one vector:
their mean, which is what an average of components weighs.
"""

ALL_FIELDS: tuple[FieldSpec, ...] = (*DENSE_FIELDS, *WEIGHED_FIELDS, FieldSpec(TDWA, _tdwa))


def sparse_text(text: ToolText) -> str:
    """What the sparse vector is made of. The name counts twice: +.002 to +.018 Recall@5, on every dev split."""
    return with_parts(f"{text.name} {text.concat}")
