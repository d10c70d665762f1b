"""Fields of an options dataclass from `NAME=VALUE` on the command line, checked by their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TypeVar

from domain.errors import InvalidInput
from rl.training.offline import Offline
from rl.training.on_policy import OnPolicy
from rl.training.text_options import TextOptions

Options = TypeVar("Options", Offline, OnPolicy, TextOptions)

_PLAIN = {"int": int, "float": float, "str": str}


def with_settings(options: Options, given: Sequence[str]) -> Options:
    """Raises InvalidInput for a name that is none, and for a value of another type."""
    known = {field.name: _PLAIN[str(field.type)] for field in fields(options) if str(field.type) in _PLAIN}
    changes: dict[str, object] = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in known:
            raise InvalidInput(f"Training has no setting {name!r}; there are {', '.join(known)}.")
        try:
            changes[name] = known[name](value)
        except ValueError as error:
            raise InvalidInput(f"The setting {name} takes a number, not {value!r}.") from error
    return replace(options, **changes)  # type: ignore[arg-type]  # checked above


def shown(options: Offline | OnPolicy | TextOptions) -> dict[str, int | float | str]:
    """The plain fields, for manifests and help."""
    return {field.name: getattr(options, field.name) for field in fields(options) if str(field.type) in _PLAIN}
