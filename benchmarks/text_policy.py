"""What a text policy learns from a small log: which of the candidates of a search is right.

    python -m benchmarks.text_policy [--queries 800] [--asked 500]

A log is simulated on some of toole's train queries through the product's own search of documents alone, each asked
several times (rl/data/bandit.py), so that there are siblings: one choice that was right, one that was not. The policy
is trained on these pairs by DPO through the product's own command, and then orders the first ten candidates of test
queries. Beside it: retrieval's own first, the sum of both, and the best that an order of ten can do. Of so small a log
nothing is promised.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import finish
from benchmarks.rl_plots import draw_curve
from benchmarks.which_tool import labelled_queries
from domain.trajectories import header, step_json
from index.evaluation.dataset import read_tools
from policy_client.text_form import call_text, state_text
from policy_client.text_policy import EmbeddedTextPolicy
from rl.data.bandit import Behaviour, Labelled, as_steps, logged
from rl.training.text_command import train_text_on_log

Floats = npt.NDArray[Any]

TEN = 10
PASSES = 8
BEHAVIOUR = Behaviour(temperature=0.3, epsilon=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=800)
    parser.add_argument("--asked", type=int, default=500)
    parser.add_argument("--split", default="test")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    wanted = parser.parse_args()
    folder = Path(os.environ["TOOLCRIB_DATASETS"]) / "toole"
    queries, _, _ = asyncio.run(labelled_queries(("train", wanted.split)))
    chance = np.random.default_rng(0)
    train = [_first_ten(queries["train"][n]) for n in chance.permutation(len(queries["train"]))[: wanted.queries]]
    asked = [
        _first_ten(queries[wanted.split][n]) for n in chance.permutation(len(queries[wanted.split]))[: wanted.asked]
    ]
    log = [decision for _ in range(PASSES) for decision in logged(train, chance, BEHAVIOUR)]
    with tempfile.TemporaryDirectory() as temporary:
        file, out = Path(temporary) / "log.jsonl", Path(temporary) / "policy"
        rows = [header("text_policy"), *map(step_json, as_steps(log, "plain"))]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        began = time.perf_counter()
        manifest = train_text_on_log(file, out, [f"catalogue={folder}", *wanted.settings], resume=False)
        trained_s = time.perf_counter() - began
        draw_curve(out / "curves", "loss", "text_policy", "DPO loss of the text policy, pairs of toole's train split")
        policy = EmbeddedTextPolicy.open(out)
        described = {tool.tool_id: str(tool.document.raw.get("description") or "") for tool in read_tools(folder)}
        began = time.perf_counter()
        scores = [_scores(policy, query, described) for query in asked]
        decision_ms = 1000 * (time.perf_counter() - began) / len(asked)
    success = {
        "plain": _success(asked, [np.array([one.score for one in query.candidates]) for query in asked]),
        "text policy": _success(asked, scores),
        "sum of both, standardised": _success(asked, list(map(_both, asked, scores))),
        "best": float(np.mean([any(query.right) for query in asked])),
    }
    details = {
        "logged_steps": len(log),
        "options": {name: value for name, value in manifest.options.items() if name not in {"catalogue", "start"}},
        "metrics": dict(manifest.metrics),
        "trained_s": trained_s,
        "asked": len(asked),
        "success@1": success,
        "decision_among_ten_ms": decision_ms,
    }
    print(json.dumps(details, indent=1))
    finish("text_policy", [], details, keep=wanted.split == "test")


def _first_ten(query: Labelled) -> Labelled:
    return Labelled(query.query, query.candidates[:TEN], query.right[:TEN])


def _scores(policy: EmbeddedTextPolicy, query: Labelled, described: Mapping[str, str]) -> Floats:
    actions = [call_text(one.tool_id, described.get(one.tool_id, "")) for one in query.candidates]
    return policy.scores(state_text(query.query), actions)


def _both(query: Labelled, scores: Floats) -> Floats:
    return _standardised(np.array([one.score for one in query.candidates])) + _standardised(scores)


def _standardised(scores: Floats) -> Floats:
    spread = float(scores.std()) if scores.size else 0.0
    return (scores - scores.mean()) / spread if spread else scores


def _success(asked: Sequence[Labelled], scores: Sequence[Floats]) -> float:
    """Share of the queries whose best-scored candidate is right."""
    found = [bool(of.size) and query.right[int(of.argmax())] for query, of in zip(asked, scores, strict=True)]
    return float(np.mean(found))


if __name__ == "__main__":
    main()
