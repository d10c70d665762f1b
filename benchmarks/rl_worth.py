"""Is a trained scorer worth it? Against agents that learn nothing, in rooms that it was not trained in.

    python -m benchmarks.rl_worth [--seeds 5] [--rooms 20] [--episodes 1000] [--rounds 300]

For each seed a scorer is trained in rooms of the family; all agents then play the same tasks in held-out rooms (other
parameters, rl/envs/family.py). Per room: the mean utility over seeds, and a paired bootstrap 95 % interval, over
episodes and seeds, of the scorer's utility less that of the best baseline. A room is won where the interval lies above
0. The oracle knows which tool is right (paper 42).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress

from benchmarks.report import Promise, finish
from rl.envs.baselines import BASELINES, Agent, oracle_tools
from rl.envs.family import Instance, described, instances
from rl.envs.play import play
from rl.training.collecting import greedy
from rl.training.on_policy import OnPolicy, train

Array = npt.NDArray[np.float64]

RESAMPLES = 2000
ORACLE, SCORER = "oracle tools", "scorer"


@dataclass(frozen=True, slots=True)
class Room:
    """Utilities per agent, shape (seeds, episodes), of the same tasks."""

    instance: Instance
    utility: dict[str, Array]

    def best_baseline(self) -> str:
        return max(BASELINES, key=lambda name: float(self.utility[name].mean()))

    def interval(self, against: str, chance: np.random.Generator) -> tuple[float, float, float]:
        """Mean and 95 % interval of the paired difference: seeds are drawn, then episodes within them."""
        difference = self.utility[SCORER] - self.utility[against]
        seeds, episodes = map(int, difference.shape)
        means = np.empty(RESAMPLES)
        for at in range(RESAMPLES):
            drawn = chance.integers(0, seeds, (seeds, 1))
            means[at] = difference[drawn, chance.integers(0, episodes, (seeds, episodes))].mean()
        low, high = np.quantile(means, (0.025, 0.975))
        return float(difference.mean()), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=300)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scorers = [_trained(seed, asked.rounds) for seed in range(asked.seeds)]
    rooms = [_played(room, scorers, asked.episodes) for room in instances(asked.rooms, seed=2026, held_out=True)]
    chance = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for room in rooms:
        best = room.best_baseline()
        gain, low, high = room.interval(best, chance)
        means = {name: round(float(of.mean()), 4) for name, of in room.utility.items()}
        rows.append({"room": described(room.instance), "utility": means, "best_baseline": best,
                     "gain": round(gain, 4), "low": round(low, 4), "high": round(high, 4)})  # fmt: skip
        print(f"{gain:+.3f} [{low:+.3f}, {high:+.3f}] over {best:16} {described(room.instance)}")
    won = sum(row["low"] > 0 for row in rows) / len(rows)
    names = rooms[0].utility
    overall = {name: round(float(np.mean([room.utility[name].mean() for room in rooms])), 4) for name in names}
    print(overall)
    promises = [Promise("rooms_won_by_the_scorer", won, 0.8, at_most=False)]
    finish("rl_worth", promises, {"rooms": rows, "mean_utility": overall})


def _trained(seed: int, rounds: int) -> Agent:
    with Progress() as bar:
        task = bar.add_task(f"training, seed {seed}", total=rounds)
        options = OnPolicy(rounds=rounds, seed=seed)
        return greedy(train(options, lambda progress: bar.update(task, completed=progress.round)))


def _played(room: Instance, scorers: list[Agent], episodes: int) -> Room:
    agents = {**BASELINES, ORACLE: oracle_tools}
    utility = {
        name: np.stack([play(agent, room, episodes=episodes, seed=seed).utility for seed in range(len(scorers))])
        for name, agent in agents.items()
    }
    utility[SCORER] = np.stack(
        [play(agent, room, episodes=episodes, seed=seed).utility for seed, agent in enumerate(scorers)]
    )
    return Room(room, utility)


if __name__ == "__main__":
    main()
