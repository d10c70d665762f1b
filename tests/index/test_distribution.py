"""Lists say once what belongs to each of their members; clauses say it of each."""

from __future__ import annotations

import pytest

from benchmarks.finance.catalogue import finance_servers
from benchmarks.finance.dialogues import dialogues
from benchmarks.finance.wording import TEMPLATE
from index.clauses import clauses


@pytest.mark.parametrize(
    ("query", "needs"),
    [
        (
            "Show me the revenue and EPS of Acme Foods, Baker Steel and CRN.",
            {
                *(
                    "Show me the revenue of Acme Foods",
                    "Show me the revenue of Baker Steel",
                    "Show me the revenue of CRN",
                ),
                *("EPS of Acme Foods", "EPS of Baker Steel", "EPS of CRN"),
            },
        ),
        ("What is the weather in Paris and Rome?", {"What is the weather in Paris", "What is the weather in Rome"}),
        (
            "Compare Acme Foods and Baker Steel by revenue and market cap.",
            {
                *("by revenue Acme Foods", "by revenue Baker Steel"),
                *("market cap Acme Foods", "market cap Baker Steel"),
            },
        ),
        (
            "I own Acme Foods and Baker Steel. Tell me the turnover of each.",
            {"Tell me the turnover Acme Foods", "Tell me the turnover Baker Steel"},
        ),
        ("Show me the revenue of PER and Baker's EPS.", {"Show me the revenue of PER", "Baker's EPS."}),
    ],
)
def test_every_need_gets_the_word_and_the_name_that_the_list_says_once(query: str, needs: set[str]) -> None:
    assert set(clauses(query)) == needs


@pytest.mark.parametrize(
    "query",
    [
        "Find rooms in Palma, Spain.",
        "How far is it between Paris and Rome?",
        "Could you please generate an SEO report for my website?",
        "Tell me a joke.",
    ],
)
def test_one_need_with_a_place_a_date_or_an_acronym_in_it_stays_one(query: str) -> None:
    assert clauses(query) == ()


def test_needs_that_are_complete_stay_as_they_are() -> None:
    asked = "Book a table for two people, send the invitation to Ann and check the weather in 'Rome and Bari'."
    assert clauses(asked) == (
        "Book a table for two people",
        "send the invitation to Ann",
        "check the weather in 'Rome and Bari'.",
    )


def test_a_product_that_would_be_too_long_is_asked_as_a_whole() -> None:
    names = ", ".join(f"Firm{letter}" for letter in "ABCDEFGHIJKLM")
    assert len(clauses(f"Show me the revenue of {names} and FirmZ.")) <= 12


def test_a_grid_of_a_market_in_its_own_words_becomes_one_clause_for_each_tool() -> None:
    told = [one for one in dialogues(finance_servers(500), 7, {"dev": 4}) if one.style == TEMPLATE]
    asked = [turn for one in told for turn in one.turns if len(turn.gold) > 1]
    wrong = [turn.query for turn in asked if len(clauses(turn.query)) != len(turn.gold)]
    assert wrong == []
