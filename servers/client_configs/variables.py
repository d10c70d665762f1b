"""References to variables inside values: `${VAR}`, `${env:VAR}`, `${VAR:-default}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class UnknownReference(ValueError):
    """A reference that cannot be resolved; the message says why."""


def resolve(text: str, variables: Mapping[str, str]) -> str:
    """Every reference replaced once (values are not searched again). Raises UnknownReference."""

    def value_of(reference: re.Match[str]) -> str:
        inner = reference.group(1)
        variable = _VARIABLE.fullmatch(inner)
        if variable is None:
            raise UnknownReference(f"${{{inner}}} is resolved by that client only; write the value itself")
        name, default = variable.groups()
        if name in variables:
            return variables[name]
        if default is not None:
            return default
        raise UnknownReference(f"the variable {name} is not set; set it, or write the value itself")

    return _REFERENCE.sub(value_of, text)
