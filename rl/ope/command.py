"""`toolcrib rl evaluate`: from an export to estimates of a policy's value."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from domain.errors import InvalidInput
from policy_client.ope.choices import Decision
from policy_client.ope.estimators import FLOOR, Logged, direct, doubly_robust, ips, require_overlap, snips
from policy_client.ope.reward_model import cross_fitted
from rl.data.checks import require_decisions, require_one_version, require_propensities, require_rewards
from rl.data.decisions import decisions
from rl.data.reading import read_export
from rl.ope.targets import Target, target_named


def evaluate_log(path: Path, policy: str, *, floor: float = FLOOR, mixed: bool = False) -> dict[str, Any]:
    """What is printed. Decisions that nobody judged are left out and counted. Raises InvalidInput."""
    target = target_named(policy)
    export = read_export(path)
    require_one_version(export.steps, mixed=mixed)
    found = decisions(export.steps)
    judged = [decision for decision in found if decision.reward is not None]
    if found and not judged:
        raise InvalidInput(
            f"None of the {len(found)} decisions was judged; POST /sessions/{{id}}/feedback says how one turned out."
        )
    logged = logged_under(judged, target)
    effective = require_overlap(logged, floor)
    estimates = [estimator(logged) for estimator in (ips, snips, doubly_robust, direct)]
    return {
        "log": {"digest": export.digest, "source": export.source, "steps": len(export.steps)},
        "policy": policy,
        "decisions": len(judged),
        "unjudged": len(found) - len(judged),
        "logged_value": float(logged.reward.mean()),
        "effective_sample_size": effective,
        "estimates": {estimate.name: asdict(estimate) for estimate in estimates},
    }


def logged_under(found: Sequence[Decision], target: Target) -> Logged:
    """The arrays of the estimators, with a cross-fitted reward model. Raises InvalidInput for what cannot be used."""
    require_decisions(found)
    require_propensities(found)
    require_rewards([decision.reward for decision in found])
    probabilities = [target(decision) for decision in found]
    models = cross_fitted(found, probabilities)
    return Logged(
        reward=np.array([decision.reward for decision in found], dtype=float),
        propensity=np.array([decision.propensity for decision in found], dtype=float),
        target=np.array([p[decision.chosen] for p, decision in zip(probabilities, found, strict=True)]),
        model=np.array([q[decision.chosen] for q, decision in zip(models, found, strict=True)]),
        value=np.array([float(p @ q) for p, q in zip(probabilities, models, strict=True)]),
    )


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
