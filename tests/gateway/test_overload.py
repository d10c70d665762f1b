"""Overload says when to come back, to the model and to the program, on each of the surfaces (docs/adr/0012)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT

from domain.errors import Overloaded, StoreUnavailable, UpstreamUnreachable
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.server import answer_call
from gateway.mcp.transparent.door import OVERLOADED, rpc_error

REFUSAL = Overloaded("Server 'slow' has 64 requests in line already; try again in a second.", retry_after_s=1.0)


class _Full(LocalBackend):
    """A backend whose servers are all overloaded."""

    def __init__(self) -> None:
        """Nothing of a Toolcrib is needed to refuse."""

    async def call(self, *_asked: object) -> Mapping[str, Any]:
        raise REFUSAL


@pytest.mark.anyio
@pytest.mark.parametrize("call", [("slow__do", {}), ("call_tool", {"name": "slow__do"})])
async def test_an_agent_is_told_in_a_tool_error_when_to_come_back(call: tuple[str, dict[str, Any]]) -> None:
    result = await answer_call(_Full(), *call)
    assert result["isError"] is True
    assert json.loads(result["content"][0]["text"]) == {
        "error": "overloaded",
        "message": REFUSAL.message,
        "retry_after_s": 1.0,
    }
    assert result["_meta"]["toolcrib/retry_after_s"] == 1.0


@given(st.floats(0.1, 600.0))
def test_a_client_of_the_transparent_profile_is_told_by_an_error_of_its_own(seconds: float) -> None:
    error = rpc_error(Overloaded("Later.", retry_after_s=seconds)).error
    assert (error.code, error.data) == (OVERLOADED, {"code": "overloaded", "retry_after_s": seconds})


def test_overload_is_in_the_band_of_implementations_and_no_sdk_takes_it_for_a_lost_connection() -> None:
    assert -32019 <= OVERLOADED <= -32000
    assert OVERLOADED not in {CONNECTION_CLOSED, REQUEST_TIMEOUT, -32002}


@pytest.mark.parametrize("failure", [UpstreamUnreachable(), StoreUnavailable()])
def test_other_failures_of_ours_stay_internal_errors_with_their_class(
    failure: UpstreamUnreachable | StoreUnavailable,
) -> None:
    error = rpc_error(failure).error
    assert (error.code, error.data) == (INTERNAL_ERROR, {"code": failure.code})
