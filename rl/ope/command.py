"""`toolcrib rl evaluate`: from an export to estimates of a policy's value."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from domain.errors import InvalidInput
from policy_client.ope.choices import Decision
from policy_client.ope.estimators import (
    FLOOR,
    direct,
    doubly_robust,
    ips,
    require_overlap,
    self_normalised_dr,
    shrunk_dr,
    snips,
    switch_dr,
)
from policy_client.ope.evidence import Vectors
from policy_client.ope.jackknife import Estimator, jackknifed
from policy_client.ope.reward_model import RewardModels
from rl.data.checks import require_decisions, require_one_version, require_propensities, require_rewards
from rl.data.decisions import decisions
from rl.data.embedding import embedded
from rl.data.reading import read_export
from rl.ope.targets import Target, target_named

BY_WEIGHT = (ips, snips, doubly_robust, self_normalised_dr)
BY_MODEL = ("switch", "dros", "dm")
"""These trust the reward model where weights would be large, so their intervals have to know of its error."""

ESTIMATORS: Mapping[str, Estimator] = {
    "ips": ips, "snips": snips, "dr": doubly_robust, "sndr": self_normalised_dr, "switch": switch_dr,
    "dros": shrunk_dr, "dm": direct,
}  # fmt: skip


def evaluate_log(
    path: Path, policy: str, *, floor: float = FLOOR, mixed: bool = False, near: bool = False
) -> dict[str, Any]:
    """What is printed. `near`: embed the queries, and let the reward model look at what was chosen near each. Decisions
    that nobody judged are left out and counted. Raises InvalidInput.
    """
    target = target_named(policy)
    export = read_export(path)
    require_one_version(export.steps, mixed=mixed)
    found = decisions(export.steps)
    judged = [decision for decision in found if decision.reward is not None]
    if found and not judged:
        raise InvalidInput(
            f"None of the {len(found)} decisions was judged; POST /sessions/{{id}}/feedback says how one turned out."
        )
    vectors = embedded([decision.query for decision in judged])[1] if near else None
    models = models_under(judged, target, vectors)
    logged = models.logged()
    effective = require_overlap(logged, floor)
    estimates = [estimator(logged) for estimator in BY_WEIGHT]
    estimates += jackknifed({name: ESTIMATORS[name] for name in BY_MODEL}, models).values()
    return {
        "log": {"digest": export.digest, "source": export.source, "steps": len(export.steps)},
        "policy": policy,
        "decisions": len(judged),
        "unjudged": len(found) - len(judged),
        "logged_value": float(logged.reward.mean()),
        "effective_sample_size": effective,
        "estimates": {estimate.name: asdict(estimate) for estimate in estimates},
    }


def models_under(
    found: Sequence[Decision], target: Target, vectors: Mapping[str, Vectors] | None = None
) -> RewardModels:
    """The models of the reward under a policy. Raises InvalidInput for what cannot be used."""
    require_decisions(found)
    require_propensities(found)
    require_rewards([decision.reward for decision in found])
    return RewardModels.of(found, [target(decision) for decision in found], vectors)


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """One JSON document, or a table."""
    if as_json:
        json.dump(result, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    console.print(
        f"{result['policy']} on {result['decisions']} decisions ({result['unjudged']} without judgement), worth "
        f"{result['effective_sample_size']:.0f} of its own; what was done earned {result['logged_value']:.3f}"
    )
    table = Table("estimate", "value", "low", "high", box=None, pad_edge=False)
    for estimate in result["estimates"].values():
        table.add_row(estimate["name"], *(f"{estimate[part]:.3f}" for part in ("value", "low", "high")))
    console.print(table)
