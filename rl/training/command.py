"""`toolcrib rl train`: a log, or simulated rooms, to a policy folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from domain.errors import InvalidInput
from policy_client.artefact import Manifest
from rl.data.checks import require_one_version
from rl.data.reading import read_export
from rl.data.scorer_pairs import sibling_pairs
from rl.data.scorer_steps import returns, scorer_steps
from rl.envs.family import instances
from rl.envs.play import play
from rl.policies.keeping import CHECKPOINT, Origin, keep, load
from rl.policies.scorer import Scorer
from rl.rewards.from_log import episodes
from rl.rewards.presets import preset_named
from rl.training import offline, on_policy
from rl.training.collecting import greedy
from rl.training.curves import Curves
from rl.training.pairs import train_on_pairs
from rl.training.settings import shown, with_settings

FAMILY = "simulated family"
METHODS = ("gradient", "dpo")


def train_on_log(log: Path, out: Path, settings: Sequence[str], *, resume: bool) -> Manifest:
    """Raises InvalidInput, before anything is trained, for a log, a setting or a checkpoint that will not do."""
    options = with_settings(offline.Offline(), settings)
    if options.method not in METHODS:
        raise InvalidInput(f"The scorer is trained on a log by {' or '.join(METHODS)}, not by {options.method!r}.")
    export = read_export(log)
    require_one_version(export.steps)
    steps = scorer_steps(export.steps)
    played = episodes(export.steps)
    preset = preset_named(options.reward)
    vector = preset([played[name] for name in steps.sessions])
    returns(steps, dict(zip(steps.sessions, vector.total().tolist(), strict=True)))
    success = np.array([_judged(played[name].success) for name in steps.sessions])
    made = sibling_pairs(steps, success) if options.method == "dpo" else None
    data = offline.Data(steps, vector, tuple(played[name].task for name in steps.sessions))
    scorer = _resumed(out, resume=resume)
    with Curves(out / "curves", options.epochs, Console(stderr=True)) as curves:
        name = "value" if made is None else "held_back_right"

        def watch(epoch: offline.Epoch) -> None:
            curves.draw(epoch.number, {"loss": epoch.loss, name: epoch.value})

        if made is None:
            trained = offline.train(data, options, watch, scorer)
        else:
            trained = train_on_pairs(steps, made, options, watch, scorer)
    origin = Origin(export.digest, shown(options), curves.last)
    return keep(trained, out, origin)


def train_in_rooms(out: Path, settings: Sequence[str], *, resume: bool) -> Manifest:
    """In the simulated family; for trying methods out, and as a start for a log of one's own."""
    options = with_settings(on_policy.OnPolicy(), settings)
    scorer = _resumed(out, resume=resume)
    with Curves(out / "curves", options.rounds, Console(stderr=True)) as curves:

        def watch(progress: on_policy.Progress) -> None:
            values = {name: value for name, value in asdict(progress).items() if name not in {"round", "of"}}
            curves.draw(progress.round, values)

        trained = on_policy.train(options, watch, scorer)
    rooms = instances(8, options.seed + 1, held_out=True)
    worth = [float(play(greedy(trained), room, episodes=500, seed=options.seed).utility.mean()) for room in rooms]
    metrics = {**curves.last, "held_out_utility": sum(worth) / len(worth)}
    return keep(trained, out, Origin(FAMILY, shown(options), metrics))


def show(manifest: Manifest, out: Path, *, as_json: bool) -> None:
    if as_json:
        Console().print_json(json.dumps({"policy": str(out), **asdict(manifest)}))
        return
    console = Console()
    console.print(f"Kept in {out}: {', '.join(f'{name} {value:.3f}' for name, value in manifest.metrics.items())}")
    console.print(f"Curves: tensorboard --logdir {out / 'curves'}", markup=False)


def _judged(success: bool | None) -> float:  # noqa: FBT001 - what an episode says
    return float("nan") if success is None else float(success)


def _resumed(out: Path, *, resume: bool) -> Scorer | None:
    return load(out / CHECKPOINT).train() if resume else None
