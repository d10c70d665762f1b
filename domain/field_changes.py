"""What differs between two versions of a JSON value, field by field. Pure; nothing is left out, however deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

_TILDE = str.maketrans({"~": "~0", "/": "~1"})


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a field that is not there: null is a value."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference. `path` is a JSON Pointer (RFC 6901); the empty one is the whole value."""

    path: str
    before: object
    after: object

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        if isinstance(self.before, Absent):
            return "added"
        return "removed" if isinstance(self.after, Absent) else "changed"

    @property
    def field(self) -> str:
        """The top-level field it lies in, unescaped; empty for the whole value."""
        return self.path.split("/")[1].replace("~1", "/").replace("~0", "~") if self.path else ""


def field_changes(before: object, after: object) -> tuple[FieldChange, ...]:
    """Every difference, in the order of `before`, then what is new; empty exactly when both are the same JSON.

    >>> [change.path for change in field_changes({"a": {"b": 1}, "c": 2}, {"a": {"b": 1.0}, "d": 3})]
    ['/a/b', '/c', '/d']
    """
    return tuple(_changes("", before, after))


def _changes(path: str, before: object, after: object) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(path, cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after))
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            old = before[at] if at < len(before) else ABSENT
            yield from _changes(f"{path}/{at}", old, after[at] if at < len(after) else ABSENT)
    elif type(before) is not type(after) or before != after:  # Python holds 1, 1.0 and true for equal; JSON does not
        yield FieldChange(path, before, after)


def _of_objects(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for key in (*before, *(key for key in after if key not in before)):
        yield from _changes(f"{path}/{key.translate(_TILDE)}", before.get(key, ABSENT), after.get(key, ABSENT))
