"""How long the scorer takes: to train on 100,000 logged steps, and to decide among 30 candidates.

    python -m benchmarks.rl_speed [--steps 100000]

The log is of a simulated room, in the form that `toolcrib rl export` writes; reading it counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.report import Promise, finish, percentiles
from domain.trajectories import header, step_json
from policy_client.scorer import EmbeddedScorer
from policy_client.scorer_features import CANDIDATE, CONTEXT
from rl.data.reading import read_export
from rl.envs.baselines import case_only
from rl.envs.family import Instance
from rl.envs.logging import logged
from rl.policies.keeping import CHECKPOINT, disagreement, load
from rl.training.command import train_on_log

CANDIDATES = 30
DECISIONS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    wanted = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        steps = write_log(folder / "log.jsonl", wanted)
        began = time.perf_counter()
        train_on_log(folder / "log.jsonl", folder / "policy", [], resume=False)
        training = time.perf_counter() - began
        embedded = EmbeddedScorer.open(folder / "policy")
        apart = disagreement(load(folder / "policy" / CHECKPOINT).eval(), embedded)
    took = percentiles(decisions(embedded))
    promises = [
        Promise("training_on_100000_steps", training * 100_000 / steps, 300.0, " s"),
        Promise("decision_among_30_p50", took["p50"], 0.3, " ms"),
        Promise("onnx_and_torch_apart", apart, 1e-5),
    ]
    finish("rl_speed", promises, {"steps": steps, "training_s": round(training, 1), "decision_ms": took})


def write_log(path: Path, wanted: int) -> int:
    """At least so many decisions; how many they are."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header("benchmark")) + "\n")
        for seed in range(1, wanted):
            for step in logged(case_only, Instance(), episodes=1000, explore=0.5, seed=seed):
                file.write(json.dumps(step_json(step)) + "\n")
                written += step.propensity is not None
            if written >= wanted:
                break
    assert read_export(path).steps
    return written


def decisions(embedded: EmbeddedScorer) -> list[float]:
    """Milliseconds of each."""
    chance = np.random.default_rng(0)
    there = np.ones((1, CANDIDATES), np.bool_)
    took = []
    for _ in range(DECISIONS):
        candidates = chance.normal(size=(1, CANDIDATES, len(CANDIDATE))).astype(np.float32)
        context = chance.normal(size=(1, len(CONTEXT))).astype(np.float32)
        began = time.perf_counter()
        embedded.logits(candidates, context, there)
        took.append(1000 * (time.perf_counter() - began))
    return took


if __name__ == "__main__":
    main()
