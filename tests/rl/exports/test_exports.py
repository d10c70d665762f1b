"""Exports on a hand-made forest: one session that was branched, and what each learner is given of it."""

from __future__ import annotations

import numpy as np
import pytest

from domain.events import Outcome
from domain.trajectories import Step, StepCandidate, StepKind
from rl.data.forest import forest, judgements
from rl.exports.messages import dpo_rows, grpo_rows, sft_rows
from rl.exports.tables import case_rows, graph_rows, tool_rows, transition_rows

TOOLS = {"read": {"description": "Read a file", "inputSchema": {"type": "object", "properties": {"path": {}}}}}


def call(name: str, parent: str, tool: str, **more: object) -> Step:
    values = {"session": "s", "parent_id": parent, "action": {"tool_id": tool, "server": "files"}, **more}
    return Step(name, StepKind.CALL, **values)  # type: ignore[arg-type]


def said(name: str, of: str, success: float) -> Step:
    return Step(name, StepKind.FEEDBACK, session="s", parent_id=of, action={"of": of, "success": success})


SEARCH = Step("q", StepKind.SEARCH, session="s", queries=("read it",), candidates=(StepCandidate("read", 1.0),))
STEPS = [
    SEARCH,
    call("a", "q", "read", latency_ms=10.0, arguments={"path": "x"}),
    call("b", "q", "write", latency_ms=30.0, outcome=Outcome.TOOL_ERROR),
    call("c", "a", "close"),
    call("d", "a", "read", latency_ms=20.0),
    said("f1", "c", 1.0),
    said("f2", "b", 0.0),
    said("f3", "d", 1.0),
]
ROOTS, JUDGED = forest(STEPS), judgements(STEPS)


def test_successful_paths_become_conversations_with_their_tools() -> None:
    rows = list(sft_rows(ROOTS, JUDGED, TOOLS))
    assert len(rows) == 2
    roles = [message["role"] for message in rows[0]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    assert rows[0]["messages"][1]["tool_calls"][0]["function"] == {"name": "read", "arguments": '{"path": "x"}'}
    assert [tool["function"]["name"] for tool in rows[0]["tools"]] == ["read", "close"]
    assert rows[0]["tools"][0]["function"]["description"] == "Read a file"


def test_pairs_are_siblings_of_one_prefix_the_successful_one_chosen() -> None:
    [row] = dpo_rows(ROOTS, JUDGED, TOOLS)
    names = [row[side][0]["tool_calls"][0]["function"]["name"] for side in ("chosen", "rejected")]
    assert names == ["read", "write"]
    assert row["prompt"] == [{"role": "user", "content": "read it"}]


def test_without_a_failed_sibling_there_is_no_pair() -> None:
    judged = {**JUDGED, "b": 0.5}
    assert list(dpo_rows(ROOTS, judged, TOOLS)) == []


def test_prompts_name_the_tools_of_successful_paths_only() -> None:
    [row] = grpo_rows(ROOTS, JUDGED)
    assert (row["prompt"], row["gold"]) == ([{"role": "user", "content": "read it"}], ["read", "close"])


def test_a_branched_step_is_the_start_of_as_many_transitions() -> None:
    rows = list(transition_rows(ROOTS, JUDGED))
    assert [(row["state"], row["next"]) for row in rows[:2]] == [("q", "a"), ("q", "b")]
    assert {row["state"]: row["reward"] for row in rows if row["done"]} == {"b": 0.0, "c": 1.0, "d": 1.0}


def test_edges_count_what_followed_what_and_remember_for_which_words() -> None:
    edges = {(edge["from"], edge["to"]): edge for edge in graph_rows(ROOTS)}
    assert {key: (edge["count"], edge["ok"]) for key, edge in edges.items()} == {
        (None, "read"): (1, 1), (None, "write"): (1, 0), ("read", "close"): (1, 1), ("read", "read"): (1, 1),
    }  # fmt: skip
    assert edges["read", "close"]["contexts"] == ["read it"]
    [edge] = [e for e in graph_rows(ROOTS, {"read it": np.ones(2, dtype=np.float32)}) if e["to"] == "close"]
    assert edge["contexts"] == [[1.0, 1.0]]


def test_statistics_of_a_tool_are_those_of_its_calls() -> None:
    rows = {row["tool_id"]: row for row in tool_rows(STEPS)}
    assert (rows["read"]["calls"], rows["read"]["success_rate"], rows["read"]["judged"]) == (2, 1.0, 1)
    assert rows["read"]["latency_ms"]["p50"] == pytest.approx(15.0)
    assert (rows["write"]["success_rate"], rows["write"]["outcomes"]) == (0.0, {"tool_error": 1})


def test_a_case_is_a_judged_choice_among_candidates() -> None:
    choice = call("x", "q", "read", candidates=SEARCH.candidates, queries=("read it",), propensity=0.5)
    assert list(case_rows([choice, said("fx", "x", 1.0)])) == [
        {"query": "read it", "tool_id": "read", "reward": 1.0, "propensity": 0.5}
    ]
