"""`toolcrib rl train --policy text`: a log and the tools' texts, to a policy folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from domain.errors import InvalidInput
from domain.trajectories import Step
from index.evaluation.dataset import read_tools
from policy_client.artefact import Manifest
from rl.data.checks import require_one_version
from rl.data.offers import with_offers
from rl.data.reading import read_export
from rl.data.text_steps import Descriptions, TextDecision, imitable, pairs, text_decisions
from rl.policies.keeping import Origin
from rl.policies.text import Reader, TextPolicy, begun
from rl.policies.text_keeping import keep_text, load_text
from rl.training.curves import Curves
from rl.training.settings import shown, with_settings
from rl.training.text_gradient import train_on_decisions
from rl.training.text_imitation import train_by_imitation
from rl.training.text_options import METHODS, TextOptions, TextProgress, Watch, device_named, planned
from rl.training.text_pairs import train_on_pairs


def train_text_on_log(log: Path, out: Path, settings: Sequence[str], *, resume: bool) -> Manifest:
    """Raises InvalidInput, before anything is trained, for a log, a setting or a checkpoint that will not do."""
    options = with_settings(TextOptions(), settings)
    if options.method not in METHODS:
        raise InvalidInput(f"The text policy is trained by {' or '.join(METHODS)}, not by {options.method!r}.")
    device_named(options.device)
    export = read_export(log)
    require_one_version(export.steps)
    described = _descriptions(Path(options.catalogue)) if options.catalogue else {}
    work = _work(export.steps, described, options)
    policy, reader = load_text(out) if resume else begun(Path(options.start) if options.start else None)
    with Curves(out / "curves", planned(work.states, options), Console(stderr=True)) as curves:

        def watch(progress: TextProgress) -> None:
            curves.draw(progress.number, {"loss": progress.loss})

        metrics = work.train(policy, reader, options, watch)
    return keep_text(policy, reader, out, Origin(export.digest, shown(options), {**curves.last, **metrics}))


@dataclass(frozen=True, slots=True)
class _Work:
    """What there is to learn: the states, one per pair or decision, and how."""

    states: Sequence[str]
    train: Callable[[TextPolicy, Reader, TextOptions, Watch], dict[str, float]]


def _work(steps: Sequence[Step], described: Descriptions, options: TextOptions) -> _Work:
    """Raises InvalidInput for a log that has nothing for the method."""
    if options.method == "imitation":
        chosen = imitable(with_offers(steps), described, options.slots)
        return _Work(
            [one.state for one in chosen],
            lambda policy, reader, *more: train_by_imitation(policy, reader, chosen, *more),
        )
    if options.method == "dpo":
        made = pairs(text_decisions(with_offers(steps), described, options.slots))
        return _Work(
            [one.state for one in made], lambda policy, reader, *more: train_on_pairs(policy, reader, made, *more)
        )
    judged = _weighable(text_decisions(steps, described, options.slots))
    return _Work(
        [one.state for one in judged], lambda policy, reader, *more: train_on_decisions(policy, reader, judged, *more)
    )


def _weighable(found: Sequence[TextDecision]) -> list[TextDecision]:
    """The judged decisions. Raises InvalidInput where there is none, and where a propensity is missing."""
    judged = [decision for decision in found if decision.worth is not None]
    if not judged:
        raise InvalidInput(
            f"None of the {len(found)} decisions was judged; POST /sessions/{{id}}/feedback says how one turned out."
        )
    missing = sum(decision.propensity is None for decision in judged)
    if missing:
        raise InvalidInput(
            f"{missing} of {len(judged)} decisions have no propensity: an agent's own choices cannot be re-weighted. "
            "Train with --set method=dpo, which needs none."
        )
    return judged


def _descriptions(catalogue: Path) -> dict[str, str]:
    return {tool.tool_id: str(tool.document.raw.get("description") or "") for tool in read_tools(catalogue)}
