"""The policy in this process: a scorer or a text policy on onnxruntime, as `rl/` left it in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from policy_client.artefact import TEXT, Manifest, kind_of
from policy_client.deciders.gathering import Batches
from policy_client.decision import Decision, Question, decision_of
from policy_client.scorer import EmbeddedScorer
from policy_client.scorer_features import META, Bools, Floats, encode
from policy_client.text_form import META_TEXTS, call_text, removal_text, state_text
from policy_client.text_policy import EmbeddedTextPolicy

NAME = "embedded"


class Policy(Protocol):
    """Answers a batch of questions; blocks while it does."""

    manifest: Manifest

    def decide(self, questions: Sequence[Question], backend: str) -> list[Decision]:
        """In their order. Raises ModelNonsense."""
        ...


class ScorerPolicy:
    """By numbers: candidates' features and the decision's context."""

    def __init__(self, scorer: EmbeddedScorer) -> None:
        self._scorer = scorer
        self.manifest = scorer.manifest

    def decide(self, questions: Sequence[Question], backend: str) -> list[Decision]:
        """All in one run, padded to the longest."""
        logits = self._scorer.logits(*tensors(questions))
        by = (backend, version_of(self.manifest))
        return [read_logits(one, row.tolist(), by) for one, row in zip(questions, logits, strict=True)]


class TextPolicy:
    """By texts: state and action are read together."""

    def __init__(self, policy: EmbeddedTextPolicy) -> None:
        self._policy = policy
        self.manifest = policy.manifest

    def decide(self, questions: Sequence[Question], backend: str) -> list[Decision]:
        """All pairs of all questions together: pairs of similar length share a run."""
        pairs = [(state_text(one.request, one.calls), action) for one in questions for action in actions(one)]
        scores = iter(self._policy.pair_scores(pairs).tolist())
        return [
            read_scores(one, [next(scores) for _ in actions(one)], (backend, version_of(self.manifest)))
            for one in questions
        ]


class EmbeddedDecider:
    """Fits the port `Decider`. Questions that come together are answered in one run, in a thread of their own."""

    name = NAME

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.version = version_of(policy.manifest)
        self.reads_texts = policy.manifest.kind == TEXT
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self.batches: Batches[Question, Decision] = Batches(self._run)

    @property
    def manifest(self) -> Manifest:
        return self.policy.manifest

    async def decide(self, question: Question) -> Decision:
        return await self.batches.answer(question)

    async def aclose(self) -> None:
        await self.batches.aclose()
        await asyncio.to_thread(self._worker.shutdown)

    async def _run(self, questions: Sequence[Question]) -> Sequence[Decision]:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self.policy.decide, questions, NAME)


def open_policy(folder: Path) -> Policy:
    """What `toolcrib rl train` left there. Raises InvalidInput for a policy that does not fit this version."""
    if kind_of(folder) == TEXT:
        return TextPolicy(EmbeddedTextPolicy.open(folder))
    return ScorerPolicy(EmbeddedScorer.open(folder))


def tensors(questions: Sequence[Question]) -> tuple[Floats, Floats, Bools]:
    """What a scorer reads of them, padded to the longest: candidates (B, N, F), context (B, G), there (B, N)."""
    slots = max((len(one.options) for one in questions), default=0) or 1
    encoded = [encode([option.features for option in one.options], one.context, slots) for one in questions]
    table, context, there = (np.stack(column) for column in zip(*encoded, strict=True))
    return table, context, there


def read_logits(question: Question, row: Sequence[float], by: tuple[str, str]) -> Decision:
    """`row`: the scorer's 3 + 2 N logits of this question."""
    slots = (len(row) - len(META)) // 2
    calls = row[len(META) : len(META) + len(question.options)]
    removals = [row[len(META) + slots + at] for at, option in enumerate(question.options) if option.held]
    return decision_of(question, calls, removals, row[: len(META)], by=by)


def version_of(manifest: Manifest) -> str:
    return f"{manifest.kind}:{manifest.model_sha256[:12]}"


def actions(question: Question) -> list[str]:
    """What a question allows, as texts: calls, removals, then the actions that name no tool."""
    return [
        *(call_text(option.tool_id, option.description) for option in question.options),
        *(removal_text(option.tool_id, option.description) for option in question.held),
        *(META_TEXTS[name] for name in META),
    ]


def read_scores(question: Question, scores: Sequence[float], by: tuple[str, str]) -> Decision:
    """One score per text of `actions`, in that order."""
    calls, held = len(question.options), len(question.held)
    return decision_of(question, scores[:calls], scores[calls : calls + held], scores[calls + held :], by=by)
