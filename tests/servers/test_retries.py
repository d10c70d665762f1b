"""What failed is tried again only where that cannot do a thing twice, twice at most, and seldom over all."""

from __future__ import annotations

import pytest

from domain.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout
from servers.failures import ConnectionLost, NoConnection, NotSent, ServerFault, SessionLost, Unwilling
from servers.resilience.retries import MOST, SHARE, Retries

UNEXECUTED = (SessionLost, NotSent, NoConnection)
PERHAPS_EXECUTED = (ConnectionLost, ServerFault)
FINAL = (UpstreamTimeout, UpstreamProtocolError, Unwilling)


@pytest.mark.parametrize("kind", UNEXECUTED)
def test_what_was_provably_not_executed_is_tried_again(kind: type[UpstreamError]) -> None:
    assert Retries().pause(kind(), 0, repeatable=False) is not None


@pytest.mark.parametrize("kind", PERHAPS_EXECUTED)
def test_what_may_have_been_executed_is_tried_again_only_when_it_is_repeatable(kind: type[UpstreamError]) -> None:
    assert Retries().pause(kind(), 0, repeatable=False) is None
    assert Retries().pause(kind(), 0, repeatable=True) is not None


@pytest.mark.parametrize("kind", FINAL)
def test_a_deadline_and_an_answer_are_final(kind: type[UpstreamError]) -> None:
    assert Retries().pause(kind(), 0, repeatable=True) is None


@pytest.mark.parametrize("kind", [*UNEXECUTED, *PERHAPS_EXECUTED])
def test_nothing_is_tried_more_than_twice_again(kind: type[UpstreamError]) -> None:
    assert Retries().pause(kind(), MOST, repeatable=True) is None


def test_when_everything_fails_a_tenth_is_tried_again_and_no_more() -> None:
    retries = Retries(chance=lambda: 0.0)
    requests, repeated = 2_000, 0
    for _ in range(requests):
        retries.earn()
        repeated += retries.pause(ConnectionLost(), 0, repeatable=True) is not None
    assert repeated <= SHARE * requests + 10


def test_an_address_where_nobody_answers_is_not_waited_for_again() -> None:
    assert Retries().pause(NoConnection(), 0, repeatable=True, took_s=0.1) is not None
    assert Retries().pause(NoConnection(), 0, repeatable=True, took_s=10.0) is None
