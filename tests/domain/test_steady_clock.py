"""A clock that is set while the process runs moves nothing that expires."""

from __future__ import annotations

import time

import pytest

from domain.steady_clock import steady_time


def test_it_agrees_with_the_clock_while_nobody_sets_it() -> None:
    assert steady_time() == pytest.approx(time.time(), abs=5.0)


def test_it_does_not_follow_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    before = steady_time()
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 3600.0)

    assert 0.0 <= steady_time() - before < 60.0
