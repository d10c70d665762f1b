"""What holds in every simulated room, whoever plays."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from rl.envs.baselines import BASELINES, oracle_tools
from rl.envs.family import Instance, instances
from rl.envs.play import play
from rl.envs.simulate import ACTIONS, ANSWER, FIRST_CALL, FIRST_REMOVAL, HORIZON, SEARCH, SLOTS, STOP, Episodes
from rl.envs.tool_mdp import ToolMdp

ROOM = Instance(failure_rate=0.0, drift=0.0, price=0.02)


def begun(tasks: int = 64, rollouts: int = 1, room: Instance = ROOM) -> Episodes:
    return Episodes(room, np.random.default_rng(5), tasks, rollouts)


def test_trained_and_held_out_rooms_are_different_ones() -> None:
    trained, held_out = instances(60, 1, held_out=False), instances(60, 2, held_out=True)
    assert len(set(trained)) == len(set(held_out)) == 60
    assert not set(trained) & set(held_out)


@pytest.mark.parametrize("wrong", [{"failure_rate": 1.0}, {"distractors": 9}, {"budget": 0}, {"drift": -0.1}])
def test_a_room_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Instance(**wrong)  # type: ignore[arg-type]


def test_rollouts_of_one_task_begin_alike() -> None:
    view = begun(tasks=8, rollouts=4).view()
    for seen in (view.candidates, view.context, view.there):
        by_task = seen.reshape(8, 4, -1)
        assert (by_task == by_task[:, :1]).all()
    assert (view.candidates[0] != view.candidates[4]).any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), room=st.sampled_from(instances(12, 3, held_out=True)))
def test_allowed_actions_keep_to_the_budget_and_end_every_episode(seed: int, room: Instance) -> None:
    chance = np.random.default_rng(seed)
    episodes = Episodes(room, np.random.default_rng(seed), 16)
    calls = np.zeros(16, int)
    while not episodes.over.all():
        allowed = episodes.view().allowed
        assert allowed[:, :FIRST_CALL].all()
        actions = np.where(allowed, chance.random(allowed.shape), -1).argmax(axis=1)
        calls += ~episodes.over & (actions >= FIRST_CALL) & (actions < FIRST_REMOVAL)
        episodes.step(actions)
    assert (calls <= room.budget).all()
    assert episodes.steps <= HORIZON
    assert np.isfinite(episodes.utility).all()


def test_an_answer_pays_where_nothing_was_needed_and_costs_elsewhere() -> None:
    episodes = begun()
    needs_one = episodes.right.any(axis=1)
    episodes.step(np.full(64, ANSWER))
    assert episodes.over.all()
    assert (episodes.utility[needs_one] < 0).all()
    assert (episodes.tally["outcome"] + episodes.tally["wrong"] == 1).all()
    assert episodes.tally["outcome"].sum() > 0


def test_the_right_tool_meets_the_need_and_another_does_not() -> None:
    episodes = begun()
    right = episodes.right
    able = right.any(axis=1)
    episodes.step(np.where(able, FIRST_CALL + right.argmax(axis=1), SEARCH))
    assert (episodes.tally["solved"] == able).all()
    others = begun()
    others.step(FIRST_CALL + (~right & others.view().there).argmax(axis=1))
    assert others.tally["solved"].sum() == 0


def test_giving_up_earns_nothing_and_loses_nothing_but_what_it_held() -> None:
    episodes = begun()
    episodes.step(np.full(64, STOP))
    assert episodes.utility == pytest.approx(-0.002 * episodes.tally["held"])


def test_a_tool_that_was_removed_cannot_be_called() -> None:
    episodes = begun()
    episodes.step(np.full(64, FIRST_REMOVAL + 3))
    assert not episodes.view().there[:, 3].any()
    assert not episodes.view().allowed[:, FIRST_CALL + 3].any()


def test_equal_seeds_are_equal_tasks_for_every_agent() -> None:
    first, second = (play(oracle_tools, ROOM, episodes=50, seed=9).utility for _ in range(2))
    assert (first == second).all()


def test_knowing_the_right_tool_is_worth_more_than_every_baseline() -> None:
    oracle = play(oracle_tools, ROOM, episodes=400, seed=2).utility.mean()
    assert all(play(agent, ROOM, episodes=400, seed=2).utility.mean() < oracle for agent in BASELINES.values())


def test_the_environment_is_one_for_gymnasium() -> None:
    check_env(ToolMdp(ROOM), skip_render_check=True)


def test_the_environments_rewards_sum_to_the_utility() -> None:
    room, earned, over = ToolMdp(ROOM), 0.0, False
    _, info = room.reset(seed=3)
    chance = np.random.default_rng(1)
    while not over:
        _, reward, ended, cut, info = room.step(chance.choice(np.flatnonzero(info["allowed"])))
        earned, over = earned + reward, ended or cut
    assert earned == pytest.approx(float(room._episodes.utility[0]))


def test_what_is_not_allowed_ends_nothing_and_uses_no_budget() -> None:
    room = ToolMdp(ROOM)
    room.reset(seed=3)
    room.step(np.int64(FIRST_REMOVAL))
    _, _, ended, cut, info = room.step(np.int64(FIRST_CALL))
    assert (ended, cut) == (False, False)
    assert info["tally"]["price"] == 0
    assert ACTIONS == 3 + 2 * SLOTS
