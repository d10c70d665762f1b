"""The steps of a log as a forest: every step below the one it follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from domain.errors import InvalidInput
from domain.trajectories import Step, StepKind

WORK = frozenset({StepKind.SEARCH, StepKind.CHECK_OUT, StepKind.REMOVAL, StepKind.CALL, StepKind.ANSWER})


@dataclass(slots=True, eq=False)
class Node:
    """A step with those that follow it, in the order of the log."""

    step: Step
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def path(self) -> tuple[Step, ...]:
        """From the root to this step."""
        steps = [self.step]
        node = self.parent
        while node is not None:
            steps.append(node.step)
            node = node.parent
        return tuple(reversed(steps))

    def below(self) -> Iterator[Node]:
        """The node itself and everything that follows from it, parents first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)

    @property
    def leaves(self) -> list[Node]:
        return [node for node in self.below() if not node.children]


def forest(steps: Iterable[Step]) -> list[Node]:
    """The roots, in the order of the log. Feedback is no decision and hangs nowhere: `judgements` reads it.

    A step whose parent is not in the log (it left by the rules of retention) is a root. What follows a judgement
    follows the step before it. Raises InvalidInput for a step that occurs twice or follows itself.
    """
    everything = {step.id: step for step in _once(steps)}
    nodes = {step.id: Node(step) for step in everything.values() if step.kind in WORK}
    roots = []
    for node in nodes.values():
        parent = _parent(node.step, everything)
        if parent is None:
            roots.append(node)
        else:
            node.parent = nodes[parent]
            node.parent.children.append(node)
    if sum(1 for root in roots for _ in root.below()) != len(nodes):
        raise InvalidInput("Some steps of the log follow from themselves; it was not written by Toolcrib.")
    return roots


def judgements(steps: Iterable[Step]) -> dict[str, float]:
    """Step id -> what was last said of its success, 0 to 1; for a whole session, of its last decision.

    Raises InvalidInput for a judgement that is no such number.
    """
    found: dict[str, float] = {}
    last: dict[str | None, str] = {}
    for step in steps:
        if step.kind is not StepKind.FEEDBACK:
            last[step.session] = step.id
            continue
        success = step.action.get("success")
        judged = step.action.get("of") or last.get(step.session)
        if success is not None and judged is not None:
            if not isinstance(success, int | float) or not 0 <= success <= 1:
                raise InvalidInput(
                    f"Feedback {step.id} says a success of {success!r}, which is no number between 0 and 1."
                )
            found[str(judged)] = float(success)
    return found


def successes(roots: Sequence[Node], judged: dict[str, float]) -> dict[str, float]:
    """Step id -> mean judged success of the ends that it led to; steps that led to no judged end are left out."""
    found: dict[str, float] = {}
    for root in roots:
        of: dict[str, list[float]] = {}
        for node in reversed(list(root.below())):
            own = [judged[node.step.id]] if node.step.id in judged else []
            of[node.step.id] = own or [value for child in node.children for value in of[child.step.id]]
        found |= {step_id: sum(values) / len(values) for step_id, values in of.items() if values}
    return found


def _once(steps: Iterable[Step]) -> Iterator[Step]:
    seen: set[str] = set()
    for step in steps:
        if step.id in seen:
            raise InvalidInput(f"Step {step.id} occurs twice in the log; train on one export at a time.")
        seen.add(step.id)
        yield step


def _parent(step: Step, everything: dict[str, Step]) -> str | None:
    """The nearest decision above it."""
    above = step.parent_id
    for _ in range(len(everything) + 1):
        if above is None or above not in everything:
            return None
        if everything[above].kind in WORK:
            return above
        above = everything[above].parent_id
    raise InvalidInput(f"Step {step.id} follows from itself; the log was not written by Toolcrib.")
