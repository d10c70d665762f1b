"""Logged decisions as the texts that a text policy learns from, and pairs of them for DPO.

A decision's menu is: a call of each candidate, a removal of each that is held, and answer, search and stop; of these
kinds only those that the log ever took, for nothing can be learnt of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.trajectories import Step, StepKind
from policy_client.scorer_features import META
from policy_client.text_form import META_TEXTS, call_text, removal_text, state_text
from rl.data.forest import Node, forest, judgements, successes
from rl.data.scorer_steps import GAVE_UP

SLOTS = 30
"""Candidates of a step that are looked at: what the reranking of a search sees."""

Descriptions = Mapping[str, str]
"""Tool id -> what its server says of it; empty where nobody knows, and the tool's name is all there is to read."""


@dataclass(frozen=True, slots=True)
class TextDecision:
    """`chosen`: index into `actions`. `worth`: judged success of where it led, 0 to 1, None where nobody judged."""

    state: str
    actions: tuple[str, ...]
    chosen: int
    propensity: float | None
    worth: float | None
    session: str

    @property
    def action(self) -> str:
        return self.actions[self.chosen]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two actions in one state, of which the first led to success and the second did not (paper 2's siblings)."""

    state: str
    chosen: str
    rejected: str


def text_decisions(
    steps: Sequence[Step], described: Descriptions, slots: int = SLOTS, kinds: Collection[str] | None = None
) -> list[TextDecision]:
    """In the order of the log's forest; `kinds` of actions, none: those that the log ever took.

    Raises InvalidInput where there is no decision, and where all are the same action.
    """
    roots = forest(steps)
    worth = successes(roots, judgements(steps))
    nodes = [node for root in roots for node in root.below()]
    taken = {_kind(node.step) for node in nodes} if kinds is None else kinds
    menu = [(node, _menu(node.step, described, taken, slots)) for node in nodes]
    found = [
        TextDecision(
            _state(node),
            tuple(texts.values()),
            list(texts).index(_key(node.step)),
            node.step.propensity,
            worth.get(node.step.id),
            node.step.session or node.step.id,
        )
        for node, texts in menu
        if _key(node.step) in texts
    ]
    if not found:
        raise InvalidInput("The log has no decision with its candidates; there is nothing to learn from.")
    if len({decision.action for decision in found}) == 1:
        raise InvalidInput(
            "Every decision of the log is the same action: from one action nothing can be told about others."
        )
    return found


def imitable(steps: Sequence[Step], described: Descriptions, slots: int = SLOTS) -> list[TextDecision]:
    """Calls that nobody judged a failure, each with the other calls that there were to choose from.

    Raises InvalidInput where there is none.
    """
    found = text_decisions(steps, described, slots, {StepKind.CALL.value})
    kept = [one for one in found if len(one.actions) > 1 and (one.worth is None or one.worth > 0)]
    if not kept:
        raise InvalidInput("No call of the log had another candidate and was not judged a failure; log more.")
    return kept


def pairs(found: Sequence[TextDecision]) -> list[Pair]:
    """Of every state each action that always succeeded with each that never did. Raises InvalidInput where none is.

    Equal texts are one state: to this policy they are the same decision, whether the log branched there or the
    request came again.
    """
    by_state: dict[str, dict[str, list[float]]] = {}
    for decision in found:
        if decision.worth is not None:
            by_state.setdefault(decision.state, {}).setdefault(decision.action, []).append(decision.worth)
    made = [pair for state, actions in by_state.items() for pair in _pairs(state, actions)]
    if not made:
        raise InvalidInput(
            "The log has no state in which one action succeeded and another failed, so there are no pairs to learn "
            "from; log more, with exploration, or train with --set method=gradient."
        )
    return made


def _pairs(state: str, actions: Mapping[str, Sequence[float]]) -> Iterator[Pair]:
    won = [action for action, values in actions.items() if min(values) >= 1.0]
    lost = [action for action, values in actions.items() if max(values) <= 0.0]
    yield from (Pair(state, chosen, rejected) for chosen in won for rejected in lost)


def _state(node: Node) -> str:
    path = node.path
    request = next((" ".join(step.queries) for step in reversed(path) if any(step.queries)), "")
    calls = [(str(step.action.get("tool_id")), step.outcome.value) for step in path[:-1] if step.kind is StepKind.CALL]
    return state_text(request, calls)


def _kind(step: Step) -> str:
    """The kind of action, by the names of META, `call` and `removal`."""
    if step.kind is StepKind.ANSWER:
        return "stop" if step.action.get(GAVE_UP) else "answer"
    return step.kind.value


def _key(step: Step) -> tuple[str, str]:
    kind = _kind(step)
    if step.kind is StepKind.CALL:
        return kind, str(step.action.get("tool_id"))
    if step.kind is StepKind.REMOVAL:
        return kind, str((step.action.get("removed") or [""])[0])
    return kind, ""


def _menu(step: Step, described: Descriptions, kinds: Collection[str], slots: int) -> dict[tuple[str, str], str]:
    """Key of an action -> its text."""
    if not step.candidates:
        return {}
    seen = [candidate.tool_id for candidate in step.candidates[:slots]]
    menu = {(name, ""): META_TEXTS[name] for name in META if name in kinds}
    if StepKind.CALL.value in kinds:
        menu |= {(StepKind.CALL.value, name): call_text(name, described.get(name, "")) for name in seen}
    if StepKind.REMOVAL.value in kinds:
        held = [name for name in seen if name in step.memory]
        menu |= {(StepKind.REMOVAL.value, name): removal_text(name, described.get(name, "")) for name in held}
    return menu
