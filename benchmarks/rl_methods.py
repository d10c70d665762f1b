"""How the ways of training the scorer compare in this simulator, with the curve of each.

    python -m benchmarks.rl_methods [--rounds 50] [--seeds 1]

In rooms: every advantage, and the two additions to the default one, branching and self-imitation, at equal settings
and an equal number of rollouts at most. On a log: an explorer's sessions of one kind of room, twelve of each task, and
what a scorer trained on them earns there. Nothing is promised: the numbers say which method to try first here, and
no more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.report import finish
from benchmarks.rl_plots import draw_curves
from rl.data.scorer_pairs import sibling_pairs
from rl.data.scorer_steps import scorer_steps
from rl.envs.baselines import case_only
from rl.envs.family import Instance, instances
from rl.envs.logging import logged
from rl.envs.play import play
from rl.policies.scorer import Scorer
from rl.rewards.from_log import episodes
from rl.rewards.presets import preset_named
from rl.training import offline, on_policy
from rl.training.collecting import greedy
from rl.training.pairs import train_on_pairs

IN_ROOMS: Mapping[str, dict[str, Any]] = {
    "loo": {},
    "grpo": {"advantage": "grpo"},
    "hdpo": {"advantage": "hdpo"},
    "toolpo": {"advantage": "toolpo"},
    "fork": {"advantage": "fork"},
    "fork, branching": {"advantage": "fork", "branching": 0.5},
    "loo, imitation": {"imitation": 0.1},
}
ON_LOG: Mapping[str, dict[str, Any]] = {
    "gradient": {},
    "gradient, imitation": {"imitation": 0.1},
    "dpo": {"method": "dpo"},
}
ROOM = Instance(failure_rate=0.1, price=0.02, distractors=3, catalogue=200, drift=0.0)
SESSIONS, OF_A_TASK = 1800, 12
HELD_OUT = 12
PLAYED = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    rooms = {name: _in_rooms(options, wanted.rounds, wanted.seeds) for name, options in IN_ROOMS.items()}
    draw_curves(
        {name: one["curve"] for name, one in rooms.items()},
        "rl_methods",
        ("round", "mean utility of the rooms trained in"),
        "The scorer by advantage",
    )
    log = {name: _on_log(options, wanted.seeds) for name, options in ON_LOG.items()}
    draw_curves(
        {name: one["curve"] for name, one in log.items()},
        "rl_methods_log",
        ("pass over the log", "mean utility in the log's kind of room"),
        "The scorer from a log, by method",
    )
    explorer = play(case_only, ROOM, episodes=PLAYED, seed=99).utility.mean()
    finish("rl_methods", [], {"rounds": wanted.rounds, "seeds": wanted.seeds, "in_rooms": rooms, "on_log": log,
                              "case_only_on_log_room": float(explorer)})  # fmt: skip


def _in_rooms(changes: Mapping[str, Any], rounds: int, seeds: int) -> dict[str, Any]:
    curves, worth = [], []
    for seed in range(seeds):
        curve: list[float] = []
        options = on_policy.OnPolicy(rounds=rounds, seed=seed, **changes)
        trained = on_policy.train(options, lambda progress, curve=curve: curve.append(progress.utility))  # type: ignore[misc]
        curves.append(curve)
        held_out = instances(HELD_OUT, 1000, held_out=True)
        worth.append([float(play(greedy(trained), room, episodes=PLAYED, seed=7).utility.mean()) for room in held_out])
    return _said(changes, curves, [float(np.mean(one)) for one in worth])


def _on_log(changes: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    curves, worth = [], []
    for seed in range(seeds):
        log = list(logged(case_only, ROOM, episodes=SESSIONS, explore=0.5, seed=seed, rollouts=OF_A_TASK))
        steps, played = scorer_steps(log), episodes(log)
        options = offline.Offline(epochs=1, seed=seed, **changes)
        vector = preset_named(options.reward)([played[name] for name in steps.sessions])
        data = offline.Data(steps, vector, tuple(played[name].task for name in steps.sessions))
        success = np.array([float(bool(played[name].success)) for name in steps.sessions])
        scorer: Scorer | None = None
        curve = []
        for _ in range(8):  # one pass at a time, to play in between
            if options.method == "dpo":
                scorer = train_on_pairs(steps, sibling_pairs(steps, success), options, scorer=scorer)
            else:
                scorer = offline.train(data, options, scorer=scorer)
            curve.append(float(play(greedy(scorer), ROOM, episodes=PLAYED, seed=99).utility.mean()))
            scorer.train()
        curves.append(curve)
        worth.append(curve[-1])
    return _said(changes, curves, worth)


def _said(changes: Mapping[str, Any], curves: list[list[float]], worth: list[float]) -> dict[str, Any]:
    mean = [round(float(value), 4) for value in np.mean(curves, axis=0)]
    found = {"options": dict(changes), "utility": float(np.mean(worth)), "of_seeds": worth, "curve": mean}
    print(json.dumps({name: found[name] for name in ("options", "utility", "of_seeds")}), flush=True)
    return found


if __name__ == "__main__":
    main()
