"""Which policy a rollback brings back, and which one a canary leaves in force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.policy_moves import MoveKind, PolicyMode, PolicyMove, before, live_below


def history(*said: str) -> list[PolicyMove]:
    """`a:live` promotes version a; `back` rolls back."""
    moves: list[PolicyMove] = []
    for number, word in enumerate(said, start=1):
        if word == "back":
            back = before(moves)
            version, mode = (back.version, back.mode) if back else ("", PolicyMode.OFF)
            moves.append(PolicyMove("t", number, 0.0, "s", MoveKind.ROLLBACK, version, mode))
        else:
            version, _, mode_name = word.partition(":")
            moves.append(PolicyMove("t", number, 0.0, "s", MoveKind.PROMOTION, version, PolicyMode(mode_name)))
    return moves


def in_force(*said: str) -> tuple[str, str]:
    newest = history(*said)[-1]
    return newest.version, newest.mode.value


def test_a_rollback_brings_back_the_version_before_in_its_mode() -> None:
    assert in_force("a:live", "b:live", "back") == ("a", "live")
    assert in_force("a:canary", "b:live", "back") == ("a", "canary")


def test_a_version_that_went_from_shadow_to_live_leaves_as_a_whole() -> None:
    assert in_force("a:live", "b:shadow", "b:canary", "b:live", "back") == ("a", "live")
    assert in_force("b:shadow", "b:live", "back") == ("", "off")


def test_what_was_rolled_back_from_is_not_come_back_to() -> None:
    assert in_force("a:live", "b:live", "back", "c:live", "back") == ("a", "live")
    assert in_force("a:live", "b:live", "back", "back") == ("", "off")


def test_a_canary_leaves_what_was_live_in_force_for_the_others() -> None:
    below = live_below(history("a:live", "b:shadow", "b:canary"), "b")
    assert below is not None
    assert below.version == "a"
    assert live_below(history("a:shadow", "b:canary"), "b") is None


@given(st.lists(st.sampled_from(["a:live", "a:shadow", "b:canary", "b:live", "c:live", "back"]), max_size=12))
def test_a_rollback_never_keeps_the_version_that_is_in_force(said: list[str]) -> None:
    moves = history(*said)
    back = before(moves)

    assert back is None or back.version != moves[-1].version
    assert back is None or back in moves
