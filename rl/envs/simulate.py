"""Many episodes of one simulated tool room side by side: plain numpy, no policy in sight.

A task needs 0 to 3 tools, one after the other. For each, a search finds candidates: the right tool among look-alikes,
which run and do not help, and others. What the agent sees of them is noisy; whether anything is still needed, it sees
noisily too. Servers fall ill and get well unseen. Right answers pay 1, wrong ones cost WRONG, and so do calls, seconds,
searches and tools held: `UTILITY` says how much. Written before any policy was trained on it, and kept so.

Refuses to know: how actions are chosen, and what is learnt from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policy_client.scorer_features import CANDIDATE, CONTEXT, META
from rl.envs.family import MOST_DISTRACTORS, Instance

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SLOTS = 12
HORIZON = 12
NEEDED = (0.3, 0.4, 0.2, 0.1)
"""Probabilities that a task needs 0, 1, 2, 3 tools."""

ANSWER, SEARCH, STOP = range(len(META))
FIRST_CALL = len(META)
FIRST_REMOVAL = FIRST_CALL + SLOTS
ACTIONS = FIRST_REMOVAL + SLOTS

UTILITY: Mapping[str, float] = {
    "outcome": 1.0, "wrong": -0.5, "price": -1.0, "seconds": -0.01, "searches": -0.02, "held": -0.002,
}  # fmt: skip
"""The declared utility of an episode: these, times what `Episodes.tally` counts."""

SOLVED = "solved"
"""In `tally` beside them: needs met. No part of the utility; training may pay for it early."""

_RIGHT, _ALIKE, _OTHER = 0, 1, 2
_POOL = 1 + MOST_DISTRACTORS + SLOTS
_ILL = 0.9  # probability that a call to an ill server fails
_SEEN_WELL = 0.85  # how often an agent's idea of a server's health is right
_USEFUL_SEEN = (0.9, 0.15, 0.05)  # that what came back seems to help, by kind of tool
_NEAR = (3.2, 2.4, 0.0)  # mean retrieval score by kind of tool, above that of an unrelated one
_NOISE = 0.7  # of a search, in logistic scales
_GRAPH_KNOWS = 0.55
_CASE_KNOWS = (0.4, 0.08, 0.02)  # that a similar case used it with success, by kind of tool
_NEED_SHARPNESS = 1.6  # mean and, with spread 1, the sharpness of the need's log odds: AUROC .95 (toole/need.jsonl)


@dataclass(frozen=True, slots=True)
class View:
    """What the agents see: shapes (B, SLOTS, len(CANDIDATE)), (B, len(CONTEXT)), (B, SLOTS), (B, ACTIONS)."""

    candidates: Floats
    context: Floats
    there: Bools
    allowed: Bools


class Episodes:
    """B episodes, as many `rollouts` of each of the `tasks`, side by side. Rows of one task begin alike in everything.

    `tally`: what `UTILITY` weighs, shape (B,) each. `over`: which episodes have ended.
    """

    def __init__(self, instance: Instance, chance: np.random.Generator, tasks: int, rollouts: int = 1) -> None:
        self.instance = instance
        self.chance = chance
        self.steps = 0
        rows = np.repeat(np.arange(tasks), rollouts)
        size = len(rows)
        self.tally = {name: np.zeros(size) for name in (*UTILITY, SOLVED)}
        self.over = np.zeros(size, np.bool_)
        needed = chance.choice(len(NEEDED), tasks, p=NEEDED)
        self._needed = needed[rows]
        self._solved = np.zeros(size, np.int64)
        self._calls = np.zeros(size, np.int64)
        self._failures = np.zeros(size, np.int64)
        self._searches = np.zeros(size, np.int64)
        self._last = np.zeros((size, 3), np.float32)  # ok, failed, useful
        self._need = self._feel_need(needed)[rows]
        first = self._room(needed > 0)
        self._hidden: dict[str, Array] = {name: value[rows] for name, value in first.items()}
        self._score = np.zeros((size, _POOL))
        self._order = np.zeros((size, SLOTS), np.int64)
        self._there = np.zeros((size, SLOTS), np.bool_)
        self._search(np.ones(size, np.bool_), chance.logistic(size=(tasks, _POOL))[rows])

    @property
    def size(self) -> int:
        return len(self.over)

    @property
    def failures(self) -> Ints:
        """Shape (B,): calls that failed so far."""
        return self._failures

    @property
    def utility(self) -> Array:
        """Shape (B,): of what has happened so far."""
        worth: Array = np.sum([weight * self.tally[name] for name, weight in UTILITY.items()], axis=0)
        return worth

    @property
    def right(self) -> Bools:
        """Shape (B, SLOTS): which candidates the current need is for. For oracles and tests, not for agents."""
        return np.equal(self._visible(self._hidden["kind"]), _RIGHT) & self._there

    def copy(self, source: int, target: int) -> None:
        """Let row `target` go on from where row `source` stands, with chances of its own."""
        hidden = [*self._hidden.values(), *self.tally.values(), self._score, self._order, self._there, self._last]
        for rows in (*hidden, self._needed, self._solved, self._calls, self._failures, self._searches, self._need):
            rows[target] = rows[source]
        self.over[target] = self.over[source]

    def view(self) -> View:
        seen = {name: self._visible(value) for name, value in self._hidden.items()}
        score = np.where(self._there, self._visible(self._score), np.nan)
        with np.errstate(invalid="ignore"):
            best = np.nanmax(np.where(np.isnan(score), -np.inf, score), axis=1, keepdims=True)
            mean, spread = _moments(score)
        columns = {
            "retrieval": (score - mean) / spread,
            "lead": score - best,
            "graph": seen["graph"],
            "case": seen["case"],
            "success_rate": seen["rate"],
            "latency": np.log1p(seen["seconds"]),
            "price": seen["price"],
            "health": seen["health"],
            "called": np.log1p(seen["called"]),
            "failed": np.log1p(seen["failed"]),
        }
        table = np.stack([np.nan_to_num(columns[name], neginf=0.0) for name in CANDIDATE], axis=-1)
        table *= self._there[..., None]
        known = {
            "need": self._need,
            "calls": np.log1p(self._calls),
            "failures": np.log1p(self._failures),
            "last_ok": self._last[:, 0],
            "last_failed": self._last[:, 1],
            "last_useful": self._last[:, 2],
            "budget_left": 1 - self._calls / self.instance.budget,
            "searches": np.log1p(self._searches),
            "held": self._there.mean(axis=1),
        }
        context = np.stack([known[name] for name in CONTEXT], axis=-1)
        return View(table.astype(np.float32), context.astype(np.float32), self._there.copy(), self._allowed())

    def step(self, actions: Ints) -> Bools:
        """Do one action in every episode that is not over; says which are over now. Actions of others do not count."""
        going = ~self.over
        self.steps += 1
        self.tally["held"] += going * self._there.sum(axis=1)
        answers = going & (actions == ANSWER)
        solved = self._solved == self._needed
        self.tally["outcome"] += answers & solved
        self.tally["wrong"] += answers & ~solved
        self._call(going & (actions >= FIRST_CALL) & (actions < FIRST_REMOVAL), actions - FIRST_CALL)
        self._remove(going & (actions >= FIRST_REMOVAL) & (actions < ACTIONS), actions - FIRST_REMOVAL)
        again = going & (actions == SEARCH)
        self.tally["searches"] += again
        self._searches += again
        self._search(again, self.chance.logistic(size=(self.size, _POOL)))
        self._drift()
        self.over |= answers | (going & (actions == STOP)) | (self.steps >= HORIZON)
        return self.over

    def _call(self, calling: Bools, slots: Ints) -> None:
        rows = np.flatnonzero(calling)
        chosen = self._order[rows, slots[rows]]
        hidden = {name: value[rows, chosen] for name, value in self._hidden.items()}
        failing = np.where(hidden["ill"] > 0, _ILL, hidden["failure"])
        failed = self.chance.random(len(rows)) < failing
        seconds = hidden["seconds"] * self.chance.lognormal(0.0, self.instance.latency_tail, len(rows))
        self.tally["price"][rows] += hidden["price"]
        self.tally["seconds"][rows] += seconds
        self._calls[rows] += 1
        self._failures[rows] += failed
        self._hidden["called"][rows, chosen] += 1
        self._hidden["failed"][rows, chosen] += failed
        helps = ~failed & (hidden["kind"] == _RIGHT)
        seems = ~failed & (self.chance.random(len(rows)) < np.array(_USEFUL_SEEN)[hidden["kind"].astype(int)])
        self._last[rows] = np.stack([~failed, failed, seems], axis=-1)
        self._solved[rows] += helps
        self.tally[SOLVED][rows] += helps
        self._advance(rows[helps])

    def _advance(self, rows: Ints) -> None:
        """The next need of these episodes, with candidates of its own; nothing fits when none is left."""
        if not len(rows):
            return
        open_needs = self._needed[rows] - self._solved[rows]
        for name, value in self._room(open_needs > 0).items():
            self._hidden[name][rows] = value
        self._need[rows] = self._feel_need(open_needs)
        chosen = np.zeros(self.size, np.bool_)
        chosen[rows] = True
        self._search(chosen, self.chance.logistic(size=(self.size, _POOL)))

    def _remove(self, removing: Bools, slots: Ints) -> None:
        rows = np.flatnonzero(removing)
        self._there[rows, slots[rows]] = False

    def _search(self, searching: Bools, noise: Array) -> None:
        """The best of the pool by what the retriever makes of it today."""
        score = self._hidden["near"] + _NOISE * noise
        order = np.argsort(-score, axis=1, kind="stable")[:, :SLOTS]
        self._score[searching] = score[searching]
        self._order[searching] = order[searching]
        found = np.isfinite(np.take_along_axis(score, order, axis=1))
        self._there[searching] = found[searching]

    def _drift(self) -> None:
        flips = self.chance.random(self._hidden["ill"].shape) < self.instance.drift * 0.5
        self._hidden["ill"] = np.where(flips, 1 - self._hidden["ill"], self._hidden["ill"])

    def _allowed(self) -> Bools:
        allowed = np.ones((self.size, ACTIONS), np.bool_)
        can_pay = (self._calls < self.instance.budget)[:, None]
        allowed[:, FIRST_CALL:FIRST_REMOVAL] = self._there & can_pay
        allowed[:, FIRST_REMOVAL:] = self._there
        return allowed

    def _feel_need(self, needs: Ints) -> Array:
        felt = np.where(needs > 0, _NEED_SHARPNESS, -_NEED_SHARPNESS)
        noisy: Array = felt + self.chance.normal(size=len(needs))
        return noisy * 2 * _NEED_SHARPNESS  # log odds of two normals of spread 1

    def _room(self, needed: Bools) -> dict[str, Array]:
        """All about the tools around one need, shape (rows, _POOL) each. Without a need none of them is right."""
        rows, it = len(needed), self.instance
        kind = np.full((rows, _POOL), _OTHER)
        kind[:, 0] = np.where(needed, _RIGHT, _OTHER)
        kind[:, 1 : 1 + it.distractors] = _ALIKE
        near = np.array(_NEAR)[kind]
        # Of a whole catalogue only the best can be seen: the i-th best of M logistic scores is log(u / (1 - u)) of the
        # i-th largest of M uniforms; halved, for a tool's score and a search's noise both have their part in it.
        rank = np.arange(1, SLOTS + 1)
        share = np.clip(1 - rank / (it.catalogue + 1), 0.02, 0.9999)
        near[:, 1 + MOST_DISTRACTORS :] = 0.5 * np.log(share / (1 - share)) - 0.5
        near[:, 1 + it.distractors : 1 + MOST_DISTRACTORS] = -np.inf
        near[:, 1 + MOST_DISTRACTORS + max(it.catalogue - 1 - it.distractors, 0) :] = -np.inf
        failure = np.clip(it.failure_rate * self.chance.gamma(2.0, 0.5, (rows, _POOL)), 0.0, 0.95)
        ill = (self.chance.random((rows, _POOL)) < min(0.5, 2 * it.drift)).astype(float)
        sees = self.chance.random((rows, _POOL)) < _SEEN_WELL
        knows = self.chance.random((rows, 1)) < _GRAPH_KNOWS
        likely = np.where(knows & (kind == _RIGHT), 2.5, 0.0) + self.chance.gumbel(0.0, 0.7, (rows, _POOL))
        return {
            "kind": kind.astype(float),
            "near": near,
            "failure": failure,
            "ill": ill,
            "rate": np.clip(1 - failure + self.chance.normal(0.0, 0.05, (rows, _POOL)), 0.0, 1.0),
            "health": np.where((ill > 0) == sees, -1.0, 1.0),
            "graph": likely - np.log(np.exp(likely).sum(axis=1, keepdims=True)),
            "case": (self.chance.random((rows, _POOL)) < np.array(_CASE_KNOWS)[kind]).astype(float),
            "price": it.price * self.chance.lognormal(0.0, 0.5, (rows, _POOL)),
            "seconds": self.chance.lognormal(0.0, 0.5, (rows, _POOL)),
            "called": np.zeros((rows, _POOL)),
            "failed": np.zeros((rows, _POOL)),
        }

    def _visible(self, of_pool: Array) -> Array:
        return np.take_along_axis(of_pool, self._order, axis=1)


def _moments(scores: Array) -> tuple[Array, Array]:
    """Mean and spread per row over what is there, shape (rows, 1); 0 and 1 where nothing is."""
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, scores, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(there, (scores - mean) ** 2, 0.0).sum(axis=1, keepdims=True) / count)
    return mean, np.where(spread > 0, spread, 1.0)
