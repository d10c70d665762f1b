"""What the text policy reads of a decision: a state and an action, as two texts. Written once, for training and serving
cannot differ then.

Over the rerank form the state is the query and the actions are the documents: `POST /rerank {"query": state_text(...),
"documents": [call_text(...), ...]}` answers one score per action, and the highest is what the policy would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.canonical import sha256_hex
from domain.text import clean, words

REMEMBERED = 4
"""Calls of a session that a state names, the newest."""

META_TEXTS: Mapping[str, str] = {
    "answer": "answer now, without another tool",
    "search": "search for other tools",
    "stop": "give up, no tool can do this",
}
"""The actions that name no tool, by the names of `scorer_features.META`."""

_CALL, _REMOVAL = "call", "give back"
_DESCRIPTION = 400  # characters: more does not fit into the model's window beside a state

SCHEMA = sha256_hex("\n".join([*META_TEXTS.values(), _CALL, _REMOVAL, str(_DESCRIPTION), str(REMEMBERED), "1"]))[:16]
"""Names the texts that a policy was trained on; one with another schema is not loaded."""


def state_text(request: str, calls: Sequence[tuple[str, str]] = ()) -> str:
    """`request`: what is wanted. `calls`: of this session so far, tool id and outcome, the newest last.

    >>> state_text("Mail the weather", [("weather__get_forecast", "ok")])
    'Mail the weather; done: weather get forecast (ok)'
    """
    done = ", ".join(f"{words(tool_id)} ({outcome})" for tool_id, outcome in calls[-REMEMBERED:])
    return clean(request) + (f"; done: {done}" if done else "")


def call_text(tool_id: str, description: str = "") -> str:
    return _of_tool(_CALL, tool_id, description)


def removal_text(tool_id: str, description: str = "") -> str:
    return _of_tool(_REMOVAL, tool_id, description)


def _of_tool(action: str, tool_id: str, description: str) -> str:
    about = clean(description)[:_DESCRIPTION]
    return f"{action} {words(tool_id)}" + (f": {about}" if about else "")
