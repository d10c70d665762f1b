"""Inputs of a registry entry: values that its author fixed, that a person gives, or that have a default.

A registry entry is written by strangers. So nothing here reads the environment: an entry that named a variable of this
machine would carry its value away. What a person wants to give is given by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from servers.client_configs.launches import BadEntry

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def field(entry: Mapping[str, Any], name: str) -> Any:
    """A field of an entry; files before 2025-09 wrote `registry_type` for `registryType`."""
    return entry.get(name, entry.get(_CAMEL.sub("_", name).lower()))


def objects(entry: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects. Raises BadEntry."""
    found = field(entry, name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadEntry(f"its {name} is not a list of objects")
    return found


def pairs(inputs: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, str]:
    """Headers or environment variables. Optional ones without a value are left out. Raises BadEntry."""
    found = {}
    for item in inputs:
        name = _name(item)
        value = _value(item, name, given)
        if value is not None:
            found[name] = value
    return found


def arguments(inputs: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> Iterator[str]:
    """Words of a command line. Raises BadEntry."""
    for item in inputs:
        if item.get("type") == "positional":
            value = _value(item, str(field(item, "valueHint") or "an argument"), given)
            yield from () if value is None else (value,)
        elif item.get("type") == "named":
            flag = _name(item)
            value = _value(item, flag.lstrip("-"), given)
            yield from () if value is None else (flag, value)
        else:
            raise BadEntry(f"its argument type {str(item.get('type'))[:40]!r} is unknown; use positional or named")


def filled(template: str, variables: object, given: Mapping[str, str]) -> str:
    """`{name}` replaced where `variables` has the name; other braces stay. Raises BadEntry."""
    known: Mapping[str, Any] = variables if isinstance(variables, dict) else {}

    def value_of(found: re.Match[str]) -> str:
        name = found.group(1)
        if not isinstance(known.get(name), dict):
            return found.group()
        value = _value({**known[name], "isRequired": True}, name, given)
        return found.group() if value is None else value

    return _PLACEHOLDER.sub(value_of, template)


def _value(item: Mapping[str, Any], name: str, given: Mapping[str, str]) -> str | None:
    fixed = item.get("value")
    if isinstance(fixed, str) and fixed:
        return _clean(filled(fixed, item.get("variables"), given), name)
    value = given.get(name, item.get("default"))
    if value is None:
        if field(item, "isRequired") is True:
            raise BadEntry(f"it needs a value for {name[:80]!r}; give it with --set {name[:80]}=VALUE")
        return None
    choices = item.get("choices")
    if isinstance(choices, list) and choices and value not in choices:
        raise BadEntry(f"{name[:80]!r} must be one of {', '.join(map(str, choices))[:200]}")
    return _clean(str(value), name)


def _clean(value: str, name: str) -> str:
    if "\0" in value:
        raise BadEntry(f"the value of {name[:80]!r} holds a character that no process could be given")
    return value


def _name(item: Mapping[str, Any]) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise BadEntry("one of its inputs has no name")
    return name
