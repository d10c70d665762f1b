"""Evaluation: the data set form, the metrics, the vector file, and one small run through the real index."""

from __future__ import annotations

import fcntl
import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from index.embedders.fake import HashingEmbedder
from index.evaluation.dataset import Turns, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import all_metrics, average_precision, complete, gains, ndcg, recall
from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "name of the city"}}}
TOOLS: list[dict[str, Any]] = [
    {
        "tool_id": "w",
        "server": "weather",
        "name": "forecast",
        "description": "weather of a city",
        "input_schema": SCHEMA,
    },
    {"tool_id": "n", "server": None, "name": "take_note", "description": "writes a note", "input_schema": None},
    {"tool_id": "m", "server": "mail", "name": "send_mail", "description": "sends a mail", "input_schema": None},
]
QUERIES: list[dict[str, Any]] = [
    {"query_id": "1", "query": "weather of a city", "gold": ["w"], "split": "test_a", "subset": "single"},
    {"query_id": "2", "query": "writes a note, then sends a mail", "gold": ["n", "m"], "split": "test_b"},
    {"query_id": "3", "query": "mail", "gold": [], "gold_servers": ["mail"], "split": "test_b"},
    {"query_id": "4", "query": "a note", "gold": ["x"], "gold_alternatives": {"x": ["n"]}, "split": "test_a"},
    {"query_id": "5", "query": "trained on", "gold": ["w"], "split": "train"},
]


def folder(path: Path, tools: list[Any] | None = None, queries: list[Any] | None = None) -> Path:
    made = path / "small"
    made.mkdir()
    for name, rows in (
        ("tools", TOOLS if tools is None else tools),
        ("queries", QUERIES if queries is None else queries),
    ):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (made / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return made


def test_a_split_takes_all_whose_name_begins_so(tmp_path: Path) -> None:
    where = folder(tmp_path)
    dataset = load_dataset(where, split="test")
    assert dataset.name == "small"
    assert [query.text for query in dataset.queries] == [row["query"] for row in QUERIES[:4]]
    assert [query.is_server_level for query in dataset.queries] == [False, False, True, False]
    assert dataset.queries[3].alternatives == {"x": ("n",)}
    assert len(load_dataset(where, split="test_b").queries) == 2
    assert dataset.tools[0].document.text.concat == "weather of a city forecast weather city: name of the city"
    assert dataset.tools[1].server == ""


def test_turns_are_scored_on_their_own_text_or_the_last_three(tmp_path: Path) -> None:
    turns = [{"query": f"turn {n}", "gold": ["w"] if n != 2 else []} for n in range(4)]
    where = folder(tmp_path, queries=[{"query": "all", "gold": ["w"], "split": "test", "turns": turns}])
    this = load_dataset(where, split="test")
    assert [query.text for query in this.queries] == ["turn 0", "turn 1", "turn 3"]
    last = load_dataset(where, split="test", turns=Turns.LAST_3)
    assert last.queries[-1].text == "turn 1\nturn 2\nturn 3"


@pytest.mark.parametrize(
    ("tools", "queries", "message"),
    [
        (["{"], None, r"tools\.jsonl, line 1: it is not JSON"),
        (["[]"], None, r"tools\.jsonl, line 1: it is not a JSON object"),
        ([TOOLS[0], {"tool_id": "y"}], None, r"tools\.jsonl, line 2: `name` is missing"),
        ([TOOLS[0], TOOLS[0]], None, r"the id 'w' occurs twice"),
        ([], None, "holds no tools"),
        ([{**TOOLS[0], "input_schema": {"type": "string"}}], None, r"line 1: .* no object schema"),
        (None, [{**QUERIES[0], "gold": "w"}], r"queries\.jsonl, line 1: `gold` is no list"),
        (None, [{**QUERIES[0], "split": "dev"}], "begins with 'test'; it has dev"),
        (None, [], "it has none"),
    ],
)
def test_a_broken_data_set_names_file_and_line(
    tmp_path: Path, tools: list[Any] | None, queries: list[Any] | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_dataset(folder(tmp_path, tools, queries), split="test")


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tools\.jsonl cannot be read"):
        load_dataset(tmp_path, split="test")


def test_worked_examples_of_the_metrics() -> None:
    assert gains(["a", "x", "b", "a"], ["a", "b", "c"]) == [True, False, True, False]
    assert gains(["alt", "a"], ["a"], {"a": ["alt"]}) == [True, False]
    assert gains(["b", "alt"], ["a", "b"], {"a": ["alt"], "b": ["alt"]}) == [True, True]
    assert gains(["s", "s", "t"], ["s"]) == [True, False, False]
    found = [False, True, True, False]
    assert (recall(found, 4, 2), recall(found, 4, 3)) == (0.25, 0.5)
    assert (complete(found, 2, 2), complete(found, 2, 3)) == (0.0, 1.0)
    assert ndcg(found, 2, 4) == pytest.approx((1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3)))
    assert average_precision(found, 2, 10) == pytest.approx((1 / 2 + 2 / 3) / 2)


names = st.sampled_from("abcdefgh")


@given(st.lists(names, unique=True, max_size=8), st.lists(names, unique=True, min_size=1, max_size=5))
def test_metrics_stay_in_bounds_and_grow_with_k(ranking: list[str], gold: list[str]) -> None:
    found = gains(ranking, gold)
    values = all_metrics(found, len(gold))
    assert all(0 <= value <= 1 + 1e-9 for value in values.values())
    assert values["recall@1"] <= values["recall@5"] <= values["recall@10"]
    assert values["complete@5"] <= values["complete@10"]
    assert values["complete@10"] <= values["recall@10"]
    assert sum(found) == len(set(gold) & set(ranking))


@given(st.lists(names, unique=True, min_size=1, max_size=5))
def test_a_perfect_ranking_scores_one(gold: list[str]) -> None:
    values = all_metrics(gains([*gold, "x", "y"], gold), len(gold))
    del values["recall@1"]
    assert all(value == pytest.approx(1.0) for value in values.values())


@given(st.lists(names, unique=True, min_size=2, max_size=8), st.lists(names, unique=True, min_size=1, max_size=4))
def test_moving_a_gold_tool_up_never_hurts(ranking: list[str], gold: list[str]) -> None:
    found = gains(ranking, gold)
    for rank in range(1, len(ranking)):
        if found[rank] and not found[rank - 1]:
            better = [*ranking]
            better[rank - 1], better[rank] = better[rank], better[rank - 1]
            before, after = all_metrics(found, len(gold)), all_metrics(gains(better, gold), len(gold))
            assert all(after[name] >= before[name] - 1e-9 for name in before)


@pytest.mark.anyio
async def test_the_vector_file_gives_back_what_it_was_given_and_drops_a_torn_end(tmp_path: Path) -> None:
    one, two = np.arange(4, dtype=np.float32), np.arange(8, dtype=np.float32)
    cache = FileVectorCache(tmp_path)
    await cache.put_many({"one": one})
    await cache.put_many({"two": two})
    whole = (tmp_path / "vectors.bin").read_bytes()
    (tmp_path / "vectors.bin").write_bytes(whole[:-3])
    torn = FileVectorCache(tmp_path)
    found = await torn.get_many(["one", "two", "three"])
    assert list(found) == ["one"]
    np.testing.assert_array_equal(found["one"], one)
    await torn.put_many({"two": two})
    again = await FileVectorCache(tmp_path).get_many(["two", "one"])
    np.testing.assert_array_equal(again["two"], two)
    assert (tmp_path / "vectors.bin").read_bytes() == whole


@pytest.mark.anyio
async def test_a_vector_file_is_not_opened_in_the_middle_of_another_process_s_record(tmp_path: Path) -> None:
    one = np.arange(4, dtype=np.float32)
    await FileVectorCache(tmp_path).put_many({"one": one})
    record = (tmp_path / "vectors.bin").read_bytes()
    (tmp_path / "vectors.bin").write_bytes(b"")
    with ThreadPoolExecutor() as pool, (tmp_path / "vectors.bin").open("ab", buffering=0) as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        writing.write(record[:10])
        opening = pool.submit(FileVectorCache, tmp_path)
        assert not wait([opening], timeout=0.1).done
        writing.write(record[10:])
        fcntl.flock(writing, fcntl.LOCK_UN)
    np.testing.assert_array_equal((await opening.result().get_many(["one"]))["one"], one)


def test_a_cache_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="vector cache"):
        FileVectorCache(tmp_path / "file")


@pytest.mark.anyio
async def test_an_evaluation_prints_the_agreed_keys(tmp_path: Path) -> None:
    where, steps = folder(tmp_path), []
    result = await evaluate_retrieval(
        RetrievalEvaluation(where), HashingEmbedder(), tmp_path / "cache", lambda *step: steps.append(step)
    )
    assert list(result) == [
        *("dataset", "split", "profile", "tools", "queries", "recall@1", "recall@5", "recall@10", "ndcg@5", "ndcg@10"),
        *("complete@5", "complete@10", "map@10", "latency_ms", "subsets", "versions"),
    ]
    assert (result["dataset"], result["split"], result["profile"]) == ("small", "test", "hybrid")
    assert (result["tools"], result["queries"]) == (3, 4)
    assert result["recall@10"] == 1.0
    assert set(result["latency_ms"]) == {"p50", "p95", "p99"}
    assert {name: subset["queries"] for name, subset in result["subsets"].items()} == {
        "single": 1,
        "test_a": 2,
        "test_b": 2,
    }
    assert json.loads(json.dumps(result)) == result
    assert ("Asking", 4, 4) in steps


@pytest.mark.anyio
async def test_a_limit_takes_the_first_queries(tmp_path: Path) -> None:
    asked = RetrievalEvaluation(folder(tmp_path), limit=1, profile="bm25")
    result = await evaluate_retrieval(asked, HashingEmbedder(), tmp_path / "cache")
    assert (result["queries"], result["recall@1"], result["subsets"]) == (1, 1.0, {})


@pytest.mark.parametrize("wrong", [{"profile": "magic"}, {"limit": 0}, {"turns": "last-9"}])
def test_an_evaluation_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RetrievalEvaluation(Path(), **wrong)


@pytest.mark.parametrize(
    "name", ["toole", "seal-tools", "mcp-catalogue", "toolbench", "api-bank", "tau2-retail-airline"]
)
def test_every_shared_data_set_can_be_read(datasets: Path, name: str) -> None:
    dataset = load_dataset(datasets / name, split="test")
    ids, servers = {tool.tool_id for tool in dataset.tools}, {tool.server for tool in dataset.tools}
    for query in dataset.queries:
        assert set(query.gold) <= (servers if query.is_server_level else ids)
