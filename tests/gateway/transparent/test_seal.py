from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from domain.identity import LOCAL, Principal
from gateway.mcp.transparent import seal
from gateway.mcp.transparent.seal import Seals, State

REQUEST = {"method": "tools/call", "name": "ask", "arguments": {"n": 1}}
STATE = State(upstream="theirs", held="a call")


def test_what_was_closed_opens_for_the_same_call_whatever_its_answers_are() -> None:
    seals = Seals()
    token = seals.close(STATE, LOCAL, "up", REQUEST)
    later = {**REQUEST, "inputResponses": {"a": {}}, "requestState": token, "_meta": {"progressToken": 2}}
    assert seals.open(token, LOCAL, "up", later) == STATE


def test_a_state_is_used_once() -> None:
    seals = Seals()
    token = seals.close(STATE, LOCAL, "up", REQUEST)
    seals.open(token, LOCAL, "up", REQUEST)
    with pytest.raises(MCPError, match="was used before"):
        seals.open(token, LOCAL, "up", REQUEST)


@pytest.mark.parametrize(
    ("principal", "server", "request_"),
    [
        (Principal("other", LOCAL.subject), "up", REQUEST),
        (Principal(LOCAL.tenant, "other"), "up", REQUEST),
        (LOCAL, "down", REQUEST),
        (LOCAL, "up", {**REQUEST, "arguments": {"n": 2}}),
        (LOCAL, "up", {**REQUEST, "method": "prompts/get"}),
    ],
)
def test_a_state_belongs_to_its_principal_its_server_and_its_call(
    principal: Principal, server: str, request_: dict[str, object]
) -> None:
    seals = Seals()
    token = seals.close(STATE, LOCAL, "up", REQUEST)
    with pytest.raises(MCPError, match="belongs to another call"):
        seals.open(token, principal, server, request_)


def test_a_state_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "LIFETIME_S", -1.0)
    seals = Seals()
    token = seals.close(STATE, LOCAL, "up", REQUEST)
    with pytest.raises(MCPError, match="has expired"):
        seals.open(token, LOCAL, "up", REQUEST)


def test_another_process_does_not_open_it() -> None:
    token = Seals().close(STATE, LOCAL, "up", REQUEST)
    with pytest.raises(MCPError, match="was not made here or was changed") as refusal:
        Seals().open(token, LOCAL, "up", REQUEST)
    assert (refusal.value.code, refusal.value.data) == (-32602, {"reason": "invalid_request_state"})


def test_the_servers_state_is_not_readable() -> None:
    assert "theirs" not in Seals().close(STATE, LOCAL, "up", REQUEST)


@given(place=st.integers(0, 10_000), other=st.characters(codec="ascii"))
def test_a_state_with_any_character_changed_is_refused(place: int, other: str) -> None:
    seals = Seals()
    token = seals.close(STATE, LOCAL, "up", REQUEST)
    place %= len(token) - 1  # the last character may hold bits that say nothing
    changed = token[:place] + other + token[place + 1 :]
    if changed == token:
        assert seals.open(changed, LOCAL, "up", REQUEST) == STATE
        return
    with pytest.raises(MCPError):
        seals.open(changed, LOCAL, "up", REQUEST)


@pytest.mark.parametrize("token", [None, 7, {}, "", "v1.", "x" * 10_000])
def test_what_is_no_state_is_refused(token: object) -> None:
    with pytest.raises(MCPError):
        Seals().open(token, LOCAL, "up", REQUEST)
