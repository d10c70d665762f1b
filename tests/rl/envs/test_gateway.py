"""The Tool-MDP on a real gateway with a real server behind it: what may be called, what is earned, what is logged."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from domain.errors import InvalidInput, Unavailable
from rl.envs.gateway import GatewayMdp, Room, Task
from rl.envs.simulate import ANSWER, FIRST_CALL, FIRST_REMOVAL, HORIZON, SEARCH, STOP, UTILITY
from tests.e2e.running import command, serving

READS = {"readOnlyHint": True}
ANYTHING = {"type": "object"}
TOOLS = [
    {"name": "weather", "description": "The weather of a city.", "inputSchema": ANYTHING, "annotations": READS},
    {"name": "forecast", "description": "The weather of the week.", "inputSchema": ANYTHING, "annotations": READS},
    {"name": "rain_maker", "description": "Change the weather.", "inputSchema": ANYTHING},
]
NAMES = {name: f"sky__{name}" for name in ("weather", "forecast", "rain_maker")}
TASK = Task("what is the weather like", frozenset({NAMES["weather"]}))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    server = [sys.executable, "-m", "tests.upstreams.turncoat", str(folder / "tools.json")]
    done = command(folder / "data", "servers", "add", "sky", "--yes", "--", *server)
    assert done.returncode == 0, done.stderr
    with serving(folder / "data") as gateway:
        yield gateway.url


Open = Callable[..., GatewayMdp]


@pytest.fixture
def a_room(url: str) -> Iterator[Open]:
    with ExitStack() as opened:

        def open_room(**more: Any) -> GatewayMdp:
            env = GatewayMdp(Room(url, [TASK], **{"callable": tuple(NAMES.values()), **more}))
            opened.callback(env.close)
            return env

        yield open_room


def slot(env: GatewayMdp, name: str) -> int:
    return list(env._tools).index(NAMES[name])


def test_it_is_an_environment_as_gymnasium_wants_it(a_room: Open) -> None:
    check_env(a_room(), skip_render_check=True)


def test_calling_what_is_needed_and_answering_earns_the_declared_utility(a_room: Open) -> None:
    env = a_room()
    env.reset(options={"task": 0})
    _, cost, ended, _, info = env.step(np.int64(FIRST_CALL + slot(env, "weather")))
    assert not ended
    assert cost < 0
    assert info["tally"]["seconds"] > 0
    seen, gained, ended, over, info = env.step(np.int64(ANSWER))
    assert (ended, over) == (True, False)
    assert gained == pytest.approx(UTILITY["outcome"] + UTILITY["held"] * 3)
    assert seen["candidates"].max() > 0
    assert info["tally"]["outcome"] == 1.0


def test_answering_without_it_is_wrong_and_stopping_is_neither(a_room: Open) -> None:
    env = a_room()
    env.reset()
    assert env.step(np.int64(ANSWER))[1] == pytest.approx(UTILITY["wrong"] + UTILITY["held"] * 3)
    env.reset()
    _, gained, ended, _, _ = env.step(np.int64(STOP))
    assert ended
    assert gained == pytest.approx(UTILITY["held"] * 3)


def test_what_may_change_something_or_was_not_named_is_never_called(a_room: Open) -> None:
    everything = a_room()
    _, info = everything.reset()
    assert not info["allowed"][FIRST_CALL + slot(everything, "rain_maker")]
    assert info["allowed"][FIRST_CALL + slot(everything, "forecast")]
    one = a_room(callable=(NAMES["forecast"], NAMES["rain_maker"]))
    _, info = one.reset()
    called = [name for name in NAMES if info["allowed"][FIRST_CALL + slot(one, name)]]
    assert called == ["forecast"]
    one.step(np.int64(FIRST_CALL + slot(one, "rain_maker")))
    assert one._counts["calls"] == 0
    nobody = a_room(callable=())
    assert not nobody.reset()[1]["allowed"][FIRST_CALL:FIRST_REMOVAL].any()


def test_a_removed_tool_comes_back_by_a_search_and_the_budget_ends_calling(a_room: Open) -> None:
    env = a_room(budget=1)
    env.reset()
    seen, *_ = env.step(np.int64(FIRST_REMOVAL + slot(env, "forecast")))
    assert seen["there"].sum() == 2
    seen, *_ = env.step(np.int64(SEARCH))
    assert seen["there"].sum() == 3
    *_, info = env.step(np.int64(FIRST_CALL + slot(env, "weather")))
    assert not info["allowed"][FIRST_CALL:FIRST_REMOVAL].any()


def test_an_episode_ends_at_the_horizon_and_its_outcome_is_in_the_gateways_log(a_room: Open, url: str) -> None:
    env = a_room()
    env.reset()
    for number in range(HORIZON):
        *_, ended, over, _ = env.step(np.int64(SEARCH))
        assert (ended, over) == (False, number == HORIZON - 1)
    env.reset()
    env.step(np.int64(FIRST_CALL + slot(env, "weather")))
    env.step(np.int64(ANSWER))
    with urllib.request.urlopen(f"{url}/api/v1/events") as log:
        events = [json.loads(line) for line in log if env._session.encode() in line]
    assert [event["kind"] for event in events if event["kind"] in {"call", "feedback"}] == ["call", "feedback"]


def test_a_room_without_a_task_and_a_gateway_that_is_away_are_said() -> None:
    with pytest.raises(InvalidInput, match="needs a task"):
        GatewayMdp(Room("http://127.0.0.1:9", []))
    with closing(GatewayMdp(Room("http://127.0.0.1:9", [TASK]))) as env, pytest.raises(Unavailable, match="not answer"):
        env.reset()
