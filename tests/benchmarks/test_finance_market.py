"""The market of the ScaleMCP benchmark: the same for ever, and asked as the paper asks."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from benchmarks.finance.catalogue import FinanceServer, finance_servers
from benchmarks.finance.dataset import write_dataset
from benchmarks.finance.dialogues import TURNS, Dialogue, dialogues
from benchmarks.finance.metrics import METRICS
from benchmarks.finance.wording import PARAPHRASE
from domain.names import tool_id_for
from index.evaluation.dataset import load_dataset
from index.evaluation.dialogues import load_dialogues

SEED = 7


@pytest.fixture(scope="module")
def market() -> list[FinanceServer]:
    return finance_servers()


@pytest.fixture(scope="module")
def told(market: list[FinanceServer]) -> list[Dialogue]:
    return dialogues(market, SEED)


def test_five_thousand_servers_have_five_thousand_different_tools_of_a_thousand_companies(
    market: list[FinanceServer],
) -> None:
    assert len({server.tool_id for server in market}) == len({server.title for server in market}) == 5_000
    assert len({server.company.name for server in market}) == len({server.company.ticker for server in market}) == 1_000


def test_the_catalogue_gives_every_tool_the_id_that_the_benchmark_knows_it_by(market: list[FinanceServer]) -> None:
    assert all(tool_id_for(one.slug, one.tool_name, set()) == one.tool_id for one in market)


def test_a_smaller_market_is_the_beginning_of_a_larger_one_and_its_figures_never_change(
    market: list[FinanceServer],
) -> None:
    assert finance_servers(100) == market[:100]
    assert market[0].value(2024) == market[0].value()
    assert market[0].value() == finance_servers(5)[0].value()
    assert market[0].value(2023) != market[0].value(2024)


def test_queries_name_one_to_ten_tools_and_five_in_the_mean(told: list[Dialogue]) -> None:
    sizes = [len(turn.gold) for dialogue in told for turn in dialogue.turns if turn.gold]
    assert (min(sizes), max(sizes)) == (1, 10)
    assert 4.8 < mean(sizes) < 5.2


def test_paraphrases_of_dev_and_test_share_no_phrase_and_none_holds_the_label_of_its_tool() -> None:
    for metric in METRICS:
        assert not set(metric.said["dev"]) & set(metric.said["test"])
        for phrase in (*metric.said["dev"], *metric.said["test"]):
            assert not set(metric.label.lower().split()) <= set(phrase.lower().split())


def test_no_question_that_is_indexed_holds_a_paraphrase_that_is_reported() -> None:
    asked = [question.lower() for metric in METRICS for question in metric.questions]
    held = [phrase for metric in METRICS for phrase in metric.said["test"] if any(phrase in one for one in asked)]
    assert held == []


def test_the_written_folder_is_a_data_set_of_hundred_turn_dialogues(
    tmp_path: Path, market: list[FinanceServer], told: list[Dialogue]
) -> None:
    write_dataset(tmp_path, market, told, SEED)
    sessions = load_dialogues(tmp_path, split="test")
    assert {len(dialogue) for dialogue in sessions.dialogues} == {TURNS}
    scored = load_dataset(tmp_path, split="test").queries
    assert {query.subset for query in scored} == {"template", PARAPHRASE}
    known = {tool.tool_id for tool in sessions.tools}
    assert all(set(query.gold) <= known for query in scored)
