"""`toolcrib eval memory`: the promises of issue 6 on its data, whatever the agent does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.sessions import MemoryMode, SessionLimits
from gateway.evaluation.memory import MemoryEvaluation, evaluate_memory
from gateway.evaluation.memory_agents import AGENTS
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dialogues import load_dialogues

pytestmark = pytest.mark.anyio

PRUNING = (MemoryMode.WORKFLOW, MemoryMode.HYBRID, MemoryMode.LRU)
DATA = ("api-bank", "tau2-retail-airline")


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


async def _evaluate(asked: MemoryEvaluation, cache: Path) -> dict[tuple[str, str], dict[str, Any]]:
    results = await evaluate_memory(asked, MiniLMEmbedder(), cache, _silent)
    return {(result["mode"], result["agent"]): result for result in results}


@pytest.mark.parametrize("name", DATA)
async def test_every_mode_keeps_its_promises_whatever_the_agent_does(name: str, datasets: Path, tmp_path: Path) -> None:
    modes = (*PRUNING, MemoryMode.CACHE_AWARE, MemoryMode.AUTONOMOUS)
    # One session holds 51 needs, of which a single one is two points.
    asked = MemoryEvaluation(datasets / name, modes=modes, agents=tuple(AGENTS), sessions=5)

    results = await _evaluate(asked, tmp_path)

    for agent in AGENTS:
        best = max(results[mode, agent]["availability"] for mode in modes)
        fewest_rewrites = min(results[mode, agent]["cache_rewrites"] for mode in PRUNING)
        cache_aware = results[MemoryMode.CACHE_AWARE, agent]
        assert cache_aware["availability"] >= best - 0.01
        assert cache_aware["cache_rewrites"] <= 0.5 * fewest_rewrites
        for mode in PRUNING:
            result = results[mode, agent]
            assert result["avg_removal_ratio_3t"] >= 0.9
            assert result["avg_residual_3"] <= 1.2 * result["tools_added"] / asked.turns + 5
            assert result["availability"] >= result["complete_recall"] - 0.01


async def test_cache_aware_judged_at_its_watermarks_removes_what_was_added(datasets: Path, tmp_path: Path) -> None:
    limits = SessionLimits(43, high_water=0.75, low_water=0.5)
    asked = MemoryEvaluation(
        datasets / "api-bank", modes=(MemoryMode.CACHE_AWARE,), agents=("never",), sessions=1, limits=limits
    )

    [result] = (await _evaluate(asked, tmp_path)).values()

    assert result["batches"] >= 2
    assert result["removal_ratio_per_batch"] >= 0.9
    assert result["residual_at_batch"] <= limits.low_water * 40


async def test_a_seed_says_the_same_session_again_and_uses_every_dialogue_before_one_comes_twice(
    datasets: Path,
) -> None:
    data = load_dialogues(datasets / "tau2-retail-airline", split="test")
    session = data.session(100, seed=3)
    assert session == data.session(100, seed=3)
    assert session != data.session(100, seed=4)
    assert len({turn.text for turn in session[: len(data.dialogues)]}) == len(data.dialogues)


def test_any_folder_in_the_data_set_form_is_a_memory_data_set(tmp_path: Path) -> None:
    (tmp_path / "tools.jsonl").write_text('{"tool_id": "a", "name": "a"}\n', encoding="utf-8")
    needing = '{"query": "one", "gold": ["a"], "split": "test"}\n'
    chatting = '{"query": "x", "turns": [{"query": "hi"}], "split": "test"}\n'
    (tmp_path / "queries.jsonl").write_text(needing + chatting, encoding="utf-8")
    [dialogue] = load_dialogues(tmp_path, split="test").dialogues
    assert [(turn.text, turn.gold) for turn in dialogue] == [("one", ("a",))]


def test_what_cannot_be_measured_is_refused(datasets: Path) -> None:
    with pytest.raises(InvalidInput, match="No scripted agent is called 'nobody'; there are perfect, never, badly"):
        MemoryEvaluation(datasets, agents=("nobody",))
    with pytest.raises(InvalidInput, match="not over 0 turns of 10"):
        MemoryEvaluation(datasets, turns=0)
    with pytest.raises(InvalidInput, match="has no dialogues with gold tools in a split that begins with 'nope'"):
        load_dialogues(datasets / "api-bank", split="nope")
