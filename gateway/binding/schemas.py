"""Input schemas that OpenAI and Anthropic accept, made from whatever MCP servers write.

Both want an object at the root without combinators, Anthropic also JSON Schema 2020-12 and property names of
[A-Za-z0-9_.-]{1,64}, OpenAI `items` for every array. What a schema loses here its server still checks: a bound schema
may say less than the server's, never something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, SchemaError

from gateway.wire_json import compact_json

_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ROOT_REFUSED = ("allOf", "anyOf", "oneOf", "not", "enum", "const", "if", "then", "else")
_IDENTITY = ("$schema", "$id", "id", "$anchor", "$dynamicAnchor")
_SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE_SCHEMA = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")
_DEPTH = 60
"""Deeper schemas say nothing below it; no model reads so far."""


@dataclass(frozen=True, slots=True)
class BoundSchema:
    """`refusal`: why no provider would take the tool, however its schema is put; `notes`: what was left out."""

    schema: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    refusal: str | None = None


def bound_schema(raw: object) -> BoundSchema:
    """Never raises: what cannot be made valid comes with a refusal."""
    return _bound(compact_json(raw))  # equal schemas are adapted once


@lru_cache(maxsize=4096)
def _bound(text: str) -> BoundSchema:
    raw = json.loads(text)
    if not isinstance(raw, dict):
        return BoundSchema({"type": "object", "properties": {}}, ("the server gave no schema",))
    notes: list[str] = []
    root = _flat(_modern(_resolved(raw), 0), notes)
    kept = {name: schema for name, schema in root["properties"].items() if _PROPERTY.fullmatch(name)}
    lost = [name for name in root["properties"] if name not in kept]
    needed = [name for name in lost if name in root["required"]]
    if needed:
        said = f"it requires a property that providers do not accept: {needed[0][:80]!r}"
        return BoundSchema({}, tuple(notes), said)
    notes += [f"left out, since providers do not accept its name: {name[:80]!r}" for name in lost]
    required = [name for name in root["required"] if name in kept]
    schema = {**root, "type": "object", "properties": kept, "required": required}
    if not _is_valid(schema):
        notes.append("its schema is no JSON Schema, so only the names of its properties were kept")
        schema = {"type": "object", "properties": {name: {} for name in kept}, "required": required}
    return BoundSchema(schema, tuple(notes))


def _is_valid(schema: Mapping[str, Any]) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return False
    return all(_target(schema, reference) is not None for reference in _references(schema))


def _references(node: object) -> Iterator[object]:
    if isinstance(node, Mapping):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _target(root: Mapping[str, Any], reference: object) -> Mapping[str, Any] | None:
    """The definition that a local reference names."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found: Any = root
    for step in reference.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _resolved(root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A root that only refers to one of its own definitions, as that definition with the others beside it."""
    seen: set[object] = set()
    while "$ref" in root and (reference := str(root["$ref"])) not in seen:
        seen.add(reference)
        beside = {name: value for name, value in root.items() if name != "$ref"}
        root = {**beside, **(_target(root, reference) or {})}
    return {name: value for name, value in root.items() if name != "$ref"}


def _flat(root: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """The root as one object: what its branches name is there, and required only where every branch requires it."""
    properties = dict(_mapping(root.get("properties")))
    required = list(_strings(root.get("required")))
    for branch in _branches(root, "allOf"):
        properties = {**_mapping(branch.get("properties")), **properties}
        required += _strings(branch.get("required"))
    for kind in ("anyOf", "oneOf"):
        branches = list(_branches(root, kind))
        for branch in branches:
            properties = {**_mapping(branch.get("properties")), **properties}
        in_all = set.intersection(*(set(_strings(branch.get("required"))) for branch in branches)) if branches else ()
        required += sorted(in_all)
    dropped = [name for name in _ROOT_REFUSED if name in root]
    if dropped:
        notes.append(f"its root's {', '.join(dropped)} were made one object")
    rest = {name: value for name, value in root.items() if name not in {*_ROOT_REFUSED, "properties", "required"}}
    present = [name for name in dict.fromkeys(required) if name in properties]
    return {**rest, "type": "object", "properties": properties, "required": present}


def _branches(root: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    branches = root.get(kind)
    for branch in branches if isinstance(branches, list) else ():
        if isinstance(branch, Mapping):
            yield _resolved({**root, **branch}) if "$ref" in branch else branch


def _modern(node: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The same schema in JSON Schema 2020-12, at every depth; keywords that are none of it are as they were."""
    if depth > _DEPTH:
        return {}
    modern = {name: value for name, value in node.items() if name not in _IDENTITY or isinstance(value, Mapping)}
    _with_valid_types(modern)
    _with_numeric_bounds(modern)
    _without_nonsense(modern)
    for name in _SCHEMAS_BY_NAME:
        if name in modern:
            modern[name] = {key: _deeper(value, depth) for key, value in _mapping(modern[name]).items()}
    for name in _SCHEMA_LISTS:
        if name in modern:
            modern[name] = [_deeper(value, depth) for value in modern[name]]
    for name in _ONE_SCHEMA:
        if name in modern:
            modern[name] = _deeper(modern[name], depth)
    if modern.get("type") == "array" and "items" not in modern:
        modern["items"] = {}
    return modern


def _without_nonsense(node: dict[str, Any]) -> None:
    """Tuples as they are written since 2020-12, and no keyword whose value is none."""
    if isinstance(node.get("items"), list):
        node["prefixItems"] = node.pop("items")
    if "required" in node and not _is_strings(node["required"]):
        del node["required"]
    for name in ("enum", *_SCHEMA_LISTS):
        if name in node and not (isinstance(node[name], list) and node[name]):
            del node[name]


def _deeper(value: Any, depth: int) -> Any:
    return _modern(value, depth + 1) if isinstance(value, Mapping) else value if isinstance(value, bool) else {}


def _with_valid_types(node: dict[str, Any]) -> None:
    """`any`, `float`, `date` and what else servers invent mean nothing to a validator: then any type will do."""
    given = node.get("type")
    if given is None:
        node.pop("type", None)
        return
    types = [
        kind for kind in (given if isinstance(given, list) else [given]) if isinstance(kind, str) and kind in _TYPES
    ]
    if not types:
        del node["type"]
    else:
        node["type"] = list(dict.fromkeys(types)) if isinstance(given, list) else types[0]


def _with_numeric_bounds(node: dict[str, Any]) -> None:
    """Draft 4 says `exclusiveMinimum: true` beside a minimum."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(exclusive), bool):
            is_exclusive = node.pop(exclusive)
            if is_exclusive and bound in node:
                node[exclusive] = node.pop(bound)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _strings(value: object) -> Sequence[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
