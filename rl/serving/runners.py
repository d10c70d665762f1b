"""A policy folder as something that scores requests: on onnxruntime, or, for a text policy, on torch and a GPU.

A request is a query and its documents, as the rerank form has them: state and actions as texts, or, for a scorer, both
as the JSON that `policy_client.deciders.rerank.numbers` writes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from domain.errors import InvalidInput
from policy_client.artefact import TEXT, Manifest, kind_of, verified
from policy_client.deciders.embedded import version_of
from policy_client.packing import bools, floats
from policy_client.scorer import EmbeddedScorer
from policy_client.scorer_features import CANDIDATE, CONTEXT, META, Bools, Floats, encode
from policy_client.text_policy import EmbeddedTextPolicy
from rl.policies.text import Reader, TextPolicy
from rl.policies.text_keeping import load_text

PAIRS = 512
"""Pairs of one forward pass on a GPU: 512 of 128 tokens take some 100 MB of MiniLM's activations."""


Tables = tuple[Floats, Floats, Bools]
"""What a scorer reads of several decisions, as `policy_client.scorer_features` has it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one gateway asks."""

    query: str
    documents: tuple[str, ...]


class Runner(Protocol):
    """Scores a batch of requests; blocks while it does."""

    manifest: Manifest

    def check(self, request: Request) -> None:
        """Raises InvalidInput for a request that is in no form of this policy."""
        ...

    def scores(self, requests: Sequence[Request]) -> list[list[float]]:
        """One list per request, one score per document. What `check` refuses must not be among them."""
        ...


class OnnxText:
    """The text policy on onnxruntime."""

    def __init__(self, folder: Path) -> None:
        self._policy = EmbeddedTextPolicy.open(folder)
        self.manifest = self._policy.manifest

    def check(self, request: Request) -> None:
        """Every text is one that it can read."""

    def scores(self, requests: Sequence[Request]) -> list[list[float]]:
        return _split(requests, self._policy.pair_scores(_pairs(requests)).tolist())


class TorchText:
    """The text policy on torch, for a GPU."""

    def __init__(self, folder: Path, device: str) -> None:
        """Raises InvalidInput for a folder that does not fit, and where the device is not to be had."""
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise InvalidInput("No GPU can be seen by torch; serve with --device cpu, or mend its driver.")
        _, self.manifest = verified(folder, TEXT)
        policy, reader = load_text(folder)
        self._policy: TextPolicy = policy.to(device).eval()
        self._reader: Reader = reader

    def check(self, request: Request) -> None:
        """Every text is one that it can read."""

    def scores(self, requests: Sequence[Request]) -> list[list[float]]:
        pairs = _pairs(requests)
        order = sorted(range(len(pairs)), key=lambda row: len(pairs[row][0]) + len(pairs[row][1]))
        found = np.zeros(len(pairs), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), PAIRS):
                rows = order[start : start + PAIRS]
                given = self._reader([pairs[row] for row in rows], self._policy.device)
                found[rows] = self._policy(**given).float().cpu().numpy()
        return _split(requests, found.tolist())


class OnnxScorer:
    """The scorer, which is too small for a GPU to help."""

    def __init__(self, folder: Path) -> None:
        self._scorer = EmbeddedScorer.open(folder)
        self.manifest = self._scorer.manifest

    def tables(self, shape: tuple[int, int], candidates: str, context: str, there: str) -> Tables:
        """`shape`: decisions and slots. Raises InvalidInput for numbers of another shape than the scorer reads."""
        try:
            numbers = floats(candidates, (*shape, len(CANDIDATE)))
            return numbers, floats(context, (shape[0], len(CONTEXT))), bools(there, shape)
        except ValueError as error:
            raise InvalidInput(
                f"The numbers are not those of {shape[0]} decisions of {shape[1]} candidates with {len(CANDIDATE)} "
                f"features each and {len(CONTEXT)} of the context; use a gateway of the same version."
            ) from error

    def logits(self, tables: Tables) -> Floats:
        """Shape (decisions, 3 + 2 N)."""
        return self._scorer.logits(*tables)

    def check(self, request: Request) -> None:
        _decision(request)

    def scores(self, requests: Sequence[Request]) -> list[list[float]]:
        if not requests:
            return []
        asked = [_decision(request) for request in requests]
        slots = max(1, *(len(one.candidates) for one in asked))
        encoded = [encode(one.candidates, one.context, slots) for one in asked]
        table, context, there = (np.stack(column) for column in zip(*encoded, strict=True))
        logits = self._scorer.logits(table, context, there).tolist()
        return [[row[place.of(slots)] for place in one.places] for one, row in zip(asked, logits, strict=True)]


def open_runner(folder: Path, device: str) -> Runner:
    """Raises InvalidInput for a policy that does not fit this version, and for a device that is not there."""
    if kind_of(folder) == TEXT:
        return OnnxText(folder) if device == "cpu" else TorchText(folder, device)
    return OnnxScorer(folder)


def served_version(runner: Runner) -> str:
    return version_of(runner.manifest)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a document's logit stands among those of a decision with `slots` candidates."""

    first: int
    removal: bool = False

    def of(self, slots: int) -> int:
        return self.first + (slots if self.removal else 0)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a request asks of the scorer, and where the answer to each document stands."""

    candidates: tuple[dict[str, float], ...]
    context: dict[str, float]
    places: tuple[_Place, ...]


def _decision(request: Request) -> _Decision:
    try:
        context = _numbers(json.loads(request.query))
        documents = [json.loads(document) for document in request.documents]
        candidates = tuple(_numbers(document["call"]) for document in documents if "call" in document)
        places = tuple(_places(documents, len(candidates)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            "This server has a scorer, which reads numbers: query and documents are the JSON that a gateway of the "
            "same version sends."
        ) from error
    return _Decision(candidates, context, places)


def _places(documents: Sequence[Mapping[str, Any]], calls: int) -> Iterator[_Place]:
    """Calls in their order, removals by the number of the call that they take back, meta-actions by name."""
    numbers = itertools.count(len(META))
    for document in documents:
        if "call" in document:
            yield _Place(next(numbers))
        elif "removal" in document:
            if not 0 <= document["removal"] < calls:
                raise ValueError(document)
            yield _Place(len(META) + document["removal"], removal=True)
        else:
            yield _Place(META.index(document["meta"]))


def _numbers(kept: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in kept.items()}


def _pairs(requests: Sequence[Request]) -> list[tuple[str, str]]:
    return [(request.query, document) for request in requests for document in request.documents]


def _split(requests: Sequence[Request], scores: Sequence[float]) -> list[list[float]]:
    left = iter(scores)
    return [[next(left) for _ in request.documents] for request in requests]
