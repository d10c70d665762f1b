"""Rollouts that branch where the policy is undecided: copies, what they share, and how many there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from domain.errors import InvalidInput
from rl.advantages.fork import Fork
from rl.advantages.rollouts import ABSENT, Rollouts
from rl.envs.family import Instance
from rl.envs.simulate import ACTIONS, FIRST_CALL, Episodes
from rl.policies.scorer import Scorer, Shape
from rl.training import on_policy
from rl.training.branching import Branching, collect_branched, relative_entropy
from rl.training.collecting import Batch

ROOM = Instance(distractors=3, catalogue=30)
SMALL = Shape(24)


def collected(branching: Branching, seed: int = 0, tasks: int = 12, rollouts: int = 8) -> tuple[Batch, Rollouts]:
    torch.manual_seed(0)
    untrained = Scorer(SMALL)
    return collect_branched(untrained, ROOM, np.random.default_rng(seed), tasks, rollouts, branching)


def test_a_copy_stands_where_its_source_stood_and_goes_its_own_way() -> None:
    episodes = Episodes(ROOM, np.random.default_rng(1), tasks=2, rollouts=2)
    episodes.step(np.array([FIRST_CALL] * 4))
    episodes.copy(0, 3)
    before = episodes.view()
    assert (before.candidates[0] == before.candidates[3]).all()
    assert (before.context[0] == before.context[3]).all()
    episodes.step(np.array([FIRST_CALL, ACTIONS, ACTIONS, FIRST_CALL + 1]))
    assert (episodes.view().candidates[0] != episodes.view().candidates[3]).any()


def test_no_task_has_more_rollouts_than_it_may_and_some_share_their_beginnings() -> None:
    batch, rollouts = collected(Branching())
    counts = np.bincount(rollouts.group)
    assert counts.max() <= 8
    assert counts.min() >= 4
    assert len(rollouts.group) > 12 * 4
    nodes = rollouts.nodes[rollouts.nodes != ABSENT]
    assert len(np.unique(nodes)) == len(batch) < len(nodes)


def test_rollouts_that_share_a_step_share_everything_before_it() -> None:
    _, rollouts = collected(Branching(), seed=2)
    for step in range(1, rollouts.nodes.shape[1]):
        for node in np.unique(rollouts.nodes[:, step]):
            sharing = rollouts.nodes[rollouts.nodes[:, step] == node, :step]
            assert node == ABSENT or (sharing == sharing[0]).all()


def test_every_sampled_step_is_that_of_its_row_and_place() -> None:
    batch, rollouts = collected(Branching(), seed=3)
    named = rollouts.nodes[batch.row, batch.place]
    assert (named != ABSENT).all()
    assert len(np.unique(named)) == len(batch)
    assert np.isfinite(Fork()(rollouts)[batch.row, batch.place]).all()


def test_where_nothing_rises_the_base_decides_and_without_one_nobody_branches() -> None:
    _, never = collected(Branching(base=0.0, entropy_weight=0.0))
    assert (np.bincount(never.group) == 4).all()
    _, always = collected(Branching(base=1.0, entropy_weight=0.0))
    assert np.bincount(always.group).mean() > 6


def test_entropy_is_relative_to_what_is_allowed() -> None:
    allowed = torch.tensor([[True, True, True, True], [True, True, False, False]])
    alike = torch.tensor([[0.25] * 4, [0.5, 0.5, 1e-30, 1e-30]]).log()
    assert relative_entropy(alike, allowed).tolist() == pytest.approx([1.0, 1.0])
    certain = torch.tensor([[1.0, 1e-30, 1e-30, 1e-30]]).log()
    assert float(relative_entropy(certain, allowed[:1])) == pytest.approx(0.0)


def test_training_with_branches_repeats_itself_and_refuses_a_share_that_leaves_no_beginning() -> None:
    options = on_policy.OnPolicy(rounds=2, tasks=4, rollouts=4, rooms=2, shape=SMALL, branching=0.5, advantage="fork")
    first, second = (on_policy.train(options).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(InvalidInput, match="branch off"):
        on_policy.train(on_policy.OnPolicy(branching=1.0))
