"""From an error's code back to its class, for whoever reads problem details."""

from __future__ import annotations

from collections.abc import Iterator

from domain.errors import ToolcribError, UpstreamRefused


def error_for(code: str, message: str, retry_after_s: float | None = None) -> ToolcribError:
    """The error a gateway meant; an unknown code becomes a plain ToolcribError with the same message."""
    return _BY_CODE.get(code, ToolcribError)(message, retry_after_s=retry_after_s)


def _tree(root: type[ToolcribError]) -> Iterator[type[ToolcribError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_CODE = {
    kind.code: kind
    for kind in _tree(ToolcribError)
    # Rooms refine errors for their own use under the same code; what travels is the one that everybody knows.
    if kind.__module__ == ToolcribError.__module__ and kind is not UpstreamRefused
}
