"""Schemas as OpenAI and Anthropic take them, made from what servers write: real catalogues, and random JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.binding.schemas import BoundSchema, bound_schema

PROPERTY = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")
REFUSED_AT_ROOT = {"oneOf", "allOf", "anyOf", "not", "enum"}
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KEYWORDS = st.sampled_from(
    ["type", "properties", "required", "items", "anyOf", "allOf", "oneOf", "enum", "not", "$ref", "$defs", "minimum",
     "exclusiveMinimum", "additionalProperties", "format", "name", "a b", "if"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS | st.sampled_from(["object", "string", "#/$defs/name", "#"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=20,
)


def require_valid(bound: BoundSchema) -> None:
    """What both providers answer with 400 otherwise."""
    if bound.refusal is not None:
        return
    schema = bound.schema
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert not REFUSED_AT_ROOT & schema.keys()
    assert all(PROPERTY.match(name) for name in schema["properties"])
    assert set(schema.get("required", [])) <= schema["properties"].keys()


@given(JSON)
def test_whatever_a_server_calls_a_schema_is_bound_as_a_valid_one_or_refused_with_a_reason(raw: Any) -> None:
    require_valid(bound_schema(raw))


def test_every_schema_of_the_real_catalogues_is_valid_and_few_tools_are_refused(datasets: Path) -> None:
    bound = [bound_schema(raw) for raw in _schemas(datasets)]
    for one in bound:
        require_valid(one)
    assert len(bound) > 10_000
    assert sum(one.refusal is not None for one in bound) / len(bound) < 0.001


def _schemas(datasets: Path) -> Iterator[Any]:
    for file in sorted(datasets.glob("*/tools.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line).get("input_schema")


CASES: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    (
        "branches that only say what is required",
        {"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"type": "object", "properties": {"a": {}, "b": {}}, "required": []},
    ),
    (
        "branches that are objects: what all require stays required",
        {"oneOf": [
            {"properties": {"id": {"type": "string"}, "x": {}}, "required": ["id", "x"]},
            {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        ]},
        {"type": "object", "properties": {"id": {"type": "string"}, "x": {}}, "required": ["id"]},
    ),
    (
        "a root that refers to its definition",
        {"$ref": "#/definitions/In", "definitions": {"In": {"type": "object", "properties": {"a": {}}}}},
        {"type": "object", "properties": {"a": {}}, "required": [],
         "definitions": {"In": {"type": "object", "properties": {"a": {}}}}},
    ),
    (
        "draft 4 and 7",
        {"$schema": "http://json-schema.org/draft-04/schema#", "properties": {
            "n": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "pair": {"type": "array", "items": [{"type": "string"}]},
            "list": {"type": "array"}, "when": {"type": "date"},
        }},
        {"type": "object", "required": [], "properties": {
            "n": {"type": "number", "exclusiveMinimum": 0},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}], "items": {}},
            "list": {"type": "array", "items": {}}, "when": {},
        }},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "raw", "bound"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_schema_keeps_its_meaning(said: str, raw: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
    assert bound_schema(raw).schema == bound, said


def test_an_optional_property_with_a_name_no_provider_takes_is_left_out_and_a_required_one_refuses_the_tool() -> None:
    raw = {"type": "object", "properties": {"$filter": {"type": "string"}, "top": {"type": "integer"}}}
    left_out = bound_schema(raw)
    assert list(left_out.schema["properties"]) == ["top"]
    assert "'$filter'" in left_out.notes[0]
    refused = bound_schema({**raw, "required": ["$filter"]})
    assert refused.refusal == "it requires a property that providers do not accept: '$filter'"


def test_a_reference_that_leads_nowhere_costs_the_details_and_not_the_tool() -> None:
    raw = {"type": "object", "properties": {"a": {"$ref": "https://elsewhere/a.json"}}, "required": ["a"]}
    bound = bound_schema(raw)
    assert bound.schema == {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    assert "only the names" in bound.notes[0]
