"""Chat rows for language models: supervised fine-tuning, preference pairs, prompts. The columns are those of TRL.

The log holds no results and no answers, so a tool's message says how the call ended, and a path ends with a call.
Arguments are there only where a tenant wanted them kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.trajectories import Step, StepKind
from rl.data.forest import Node, successes

Row = dict[str, Any]
Tools = Mapping[str, Mapping[str, Any]]
"""Tool id -> the tool as its server lists it: name, description, inputSchema."""

WON = 1.0


def sft_rows(roots: Sequence[Node], judged: dict[str, float], tools: Tools) -> Iterator[Row]:
    """One conversation per judged end that fully succeeded."""
    worth = successes(roots, judged)
    for root in roots:
        for leaf in root.leaves:
            messages = messages_of(leaf.path)
            if worth.get(leaf.step.id, 0.0) >= WON and any(message["role"] == "assistant" for message in messages):
                yield {"messages": messages, "tools": functions_of(leaf.path, tools)}


def dpo_rows(roots: Sequence[Node], judged: dict[str, float], tools: Tools) -> Iterator[Row]:
    """Pairs of sibling calls: one whose every judged end succeeded, one of which none did (inspired by paper 2).

    Both follow the same prefix, which is the prompt; a pair never mixes prefixes.
    """
    worth = successes(roots, judged)
    for root in roots:
        for node in root.below():
            calls = [child for child in node.children if child.step.kind is StepKind.CALL and child.step.id in worth]
            won = [call for call in calls if worth[call.step.id] >= WON]
            lost = [call for call in calls if worth[call.step.id] == 0.0]
            prompt = messages_of(node.path)
            for chosen in won:
                for rejected in lost:
                    if chosen.step.action != rejected.step.action and prompt:
                        both = (*node.path, chosen.step, rejected.step)
                        yield {
                            "prompt": prompt,
                            "chosen": [call_message(chosen.step)],
                            "rejected": [call_message(rejected.step)],
                            "tools": functions_of(both, tools),
                        }


def grpo_rows(roots: Sequence[Node], judged: dict[str, float]) -> Iterator[Row]:
    """One prompt per session that asked for something, with the tools that were called on its successful paths."""
    worth = successes(roots, judged)
    for root in roots:
        asked = next((node.step for node in root.below() if node.step.queries and node.step.queries[0]), None)
        if asked is None:
            continue
        paths = [leaf.path for leaf in root.leaves if worth.get(leaf.step.id, 0.0) >= WON]
        called = [step.action["tool_id"] for path in paths for step in path if step.kind is StepKind.CALL]
        yield {
            "prompt": [{"role": "user", "content": " ".join(asked.queries)}],
            "session": asked.session,
            "gold": list(dict.fromkeys(called)),
        }


def messages_of(path: Sequence[Step]) -> list[Row]:
    """A path as a conversation: what was searched for is the user's need."""
    messages: list[Row] = []
    for step in path:
        if step.kind is StepKind.SEARCH or (step.kind is StepKind.CALL and step.queries):
            text = " ".join(query for query in step.queries if query)
            if text:
                messages.append({"role": "user", "content": text})
        if step.kind is StepKind.CALL:
            content = {"role": "tool", "name": step.action["tool_id"], "content": step.outcome.value}
            messages += [call_message(step), content]
    return messages


def call_message(step: Step) -> Row:
    arguments = json.dumps(step.arguments or {}, sort_keys=True)
    function = {"name": step.action["tool_id"], "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"type": "function", "function": function}]}


def functions_of(path: Sequence[Step], tools: Tools) -> list[Row]:
    """The tools that the path was shown or called, as functions; those nothing is known of by their name alone."""
    names: dict[str, None] = {}
    for step in path:
        names |= dict.fromkeys(candidate.tool_id for candidate in step.candidates)
        if step.kind is StepKind.CALL:
            names[step.action["tool_id"]] = None
    return [_function(name, tools.get(name, {})) for name in names]


def _function(name: str, tool: Mapping[str, Any]) -> Row:
    parameters = tool.get("inputSchema") or {"type": "object"}
    return {
        "type": "function",
        "function": {"name": name, "description": tool.get("description") or "", "parameters": parameters},
    }
