"""Where `except Exception` and its like stand, and where they may.

They may stand in the outermost loop of a task, where whatever happens must become an answer instead of a silent end,
or around clean-up that raises again. Each file of the list says which.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.budgets import ROOT

ALLOWED: Mapping[str, str] = {
    "gateway/event_log/journal.py": "outermost loop of the event log's writer: it would stop in silence, and for ever",
    "gateway/mcp/quick_http.py": "outermost frame of a call's task: its client hears that it failed, as from uvicorn",
    "gateway/replicas.py": "outermost loop of what other gateways changed: this one would go stale in silence",
    "gateway/link.py": "outermost loop of the owner task: whoever waits for the gateway must learn why",
    "index/engines/edge_errors.py": "the engine has no exception types; what is not the engine's is raised again",
    "servers/connection.py": "outermost loop of an owner task: whatever the SDK raises becomes a named error",
    "servers/relay/connection.py": "outermost loop of an owner task: whatever the SDK raises becomes a named error",
    "sync/engine.py": "outermost frame of one server's sync: a bug met on it must not hide the tools of the others",
    "tests/clients/drivers/journey.py": "other people's libraries raise what they like; the next step is taken",
    "sync/leadership.py": "outermost loop of a lease: a gateway that stops renewing would never lead again",
    "sync/indexer.py": "outermost loop of the indexer's task: an index that stops following goes stale in silence",
}
"""File -> why it must catch what it cannot name."""

_BROAD = ("Exception", "BaseException")


def broad_excepts(paths: list[Path], root: Path = ROOT) -> dict[str, list[int]]:
    """File -> lines with a bare `except`, an `except` of everything, or a `suppress` of everything."""
    found: dict[str, list[int]] = {}
    for path in paths:
        lines = sorted(_broad_lines(ast.parse(path.read_text(encoding="utf-8"))))
        if lines:
            found[path.relative_to(root).as_posix()] = lines
    return found


def _broad_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None or _names_everything(node.type):
                yield node.lineno
        elif isinstance(node, ast.Call) and _name(node.func) == "suppress" and any(map(_names_everything, node.args)):
            yield node.lineno


def _names_everything(caught: ast.expr) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_names_everything(element) for element in caught.elts)
    return _name(caught) in _BROAD


def _name(expression: ast.expr) -> str:
    """`contextlib.suppress` and `suppress` are the same to us."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
