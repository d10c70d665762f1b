"""The net ledger: what is counted, what it is worth, when passthrough is suggested."""

from __future__ import annotations

import pytest

from domain.ledger import CACHED, CONVERSATION_TOKENS, META_TOOLS_TOKENS, WRITTEN, Ledger, balance
from domain.memory_entries import MemoryEntry


def entries(*sizes: int) -> list[MemoryEntry]:
    return [MemoryEntry(f"t{n}", "x", 0.0, size, 0.0) for n, size in enumerate(sizes)]


def test_an_answer_is_written_once_and_read_again_by_every_later_request() -> None:
    ledger = Ledger().asked(500).worked().worked()
    assert (ledger.requests, ledger.extra_turns, ledger.answered, ledger.reread) == (3, 1, 500, 1000)
    assert balance(ledger, 0, has_meta_tools=False).answers == pytest.approx(WRITTEN * 500 + CACHED * 1000)


def test_an_array_that_only_grows_rewrites_nothing() -> None:
    ledger = Ledger().bind(entries(10, 20)).followed(["t0", "t1"], ["t0", "t1", "t2"]).bind(entries(10, 20, 30))
    assert (ledger.written, ledger.kept, ledger.rewrites) == (60, 30, 0)


def test_a_tool_that_leaves_rewrites_what_stood_behind_it() -> None:
    bound = Ledger().bind(entries(10, 20, 30))
    left = bound.followed(["t0", "t1", "t2"], ["t0", "t2"])
    again = left.bind([entries(10, 20, 30)[n] for n in (0, 2)])
    assert (again.written, again.kept, again.rewrites) == (60 + 30, 10, 1)
    assert balance(again, 0, has_meta_tools=False).cache_rewrites == pytest.approx(
        (WRITTEN - CACHED) * CONVERSATION_TOKENS
    )


def test_a_tool_that_leaves_behind_what_was_bound_is_no_rewrite() -> None:
    bound = Ledger().bind(entries(10))
    assert bound.followed(["t0", "t1"], ["t0"]).bind(entries(10)).rewrites == 0


def test_the_catalogue_is_spared_in_the_requests_that_the_work_itself_takes() -> None:
    ledger = Ledger().asked(0).worked().worked()
    judged = balance(ledger, 10_000, has_meta_tools=True)
    assert judged.spared == pytest.approx(10_000 * (WRITTEN + CACHED))
    assert judged.meta_tools == pytest.approx(META_TOOLS_TOKENS * (WRITTEN + 2 * CACHED))
    assert judged.extra_turns == pytest.approx(CACHED * CONVERSATION_TOKENS)
    assert judged.net == pytest.approx(judged.spared - judged.spent)


def test_the_break_even_is_the_catalogue_at_which_nothing_is_won_or_lost() -> None:
    ledger = Ledger().asked(900).worked().asked(700).worked().worked()
    even = balance(ledger, 50_000, has_meta_tools=True).break_even
    assert balance(ledger, round(even), has_meta_tools=True).net == pytest.approx(0, abs=2)


@pytest.mark.parametrize(("catalogue", "suggested"), [(500, True), (200_000, False), (0, False)])
def test_passthrough_is_suggested_for_a_small_catalogue_once_the_session_has_shown_how_it_works(
    catalogue: int,
    suggested: bool,  # noqa: FBT001 - a row of the table above
) -> None:
    ledger = Ledger()
    for _ in range(4):
        assert not balance(ledger, catalogue, has_meta_tools=True).suggests_passthrough
        ledger = ledger.asked(900).worked()
    ledger = ledger.asked(900).worked()
    assert balance(ledger, catalogue, has_meta_tools=True).suggests_passthrough is suggested


def test_a_session_that_was_never_used_spent_and_spared_nothing() -> None:
    judged = balance(Ledger(), 5000, has_meta_tools=True)
    assert (judged.spent, judged.spared, judged.net, judged.break_even) == (0, 0, 0, 0)
