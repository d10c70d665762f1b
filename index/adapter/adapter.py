"""The adapter itself: a case bank, the weights of its evidence, and the files they are kept in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from domain.errors import InvalidInput
from index.adapter.evidence import FEATURES, SCHEMA, CaseBank, Floats, Numbers, Vectors, features

MANIFEST, ARRAYS = "manifest.json", "adapter.npz"


@dataclass(frozen=True, slots=True)
class Adapter:
    """`embedder`: the version whose vectors it compares. `facts`: data hash, versions, metrics; for people."""

    tool_ids: tuple[str, ...]
    bank: CaseBank
    weights: Floats
    embedder: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights.shape != (FEATURES,) or not np.isfinite(self.weights).all():
            raise InvalidInput(f"An adapter of {SCHEMA} has {FEATURES} finite weights, not {self.weights.shape}.")
        if self.bank.outcomes.shape != (len(self.bank.queries), len(self.tool_ids), 4):
            raise InvalidInput("The adapter's cases do not fit its tools and queries; train it again.")

    def order(self, query: Vectors, tool_ids: Sequence[str], scores: Sequence[float]) -> list[int]:
        """The candidates of a query, which come best first, in the order of what they may be expected to earn.

        A tool of which nothing was ever logged keeps its place: nobody can say that it is worse than retrieval thinks.
        """
        known = {tool_id: number for number, tool_id in enumerate(self.tool_ids)}
        chosen = self.bank.chosen
        seen = [at for at, tool_id in enumerate(tool_ids) if tool_id in known and chosen[known[tool_id]] > 0]
        expected = self.expected(
            self.bank.near(query[None, :])[0], [known[tool_ids[at]] for at in seen], np.array(scores), seen
        )
        best = iter(sorted(seen, key=lambda at: (-expected[at], at)))
        return [next(best) if at in expected else at for at in range(len(tool_ids))]

    def expected(self, near: Vectors, tools: Sequence[int], scores: Floats, places: Sequence[int]) -> dict[int, float]:
        """Place -> log-odds of success of the tools at `places` of the ranking with these scores."""
        if not places:
            return {}
        numbers: Numbers = np.zeros(len(scores), dtype=np.int64)
        numbers[list(places)] = tools
        values = features(scores, numbers, near, self.bank.chosen) @ self.weights
        return {place: float(values[place]) for place in places}

    def save(self, folder: Path) -> None:
        """Write arrays, then the manifest that vouches for them. Raises InvalidInput."""
        queries, tools, kinds = np.nonzero(self.bank.outcomes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(
                folder / ARRAYS, queries=self.bank.queries.astype(np.float16), weights=self.weights,
                at=np.stack([queries, tools, kinds]).astype(np.int32),
                outcomes=self.bank.outcomes[queries, tools, kinds],
            )  # fmt: skip
            manifest = {
                "schema": SCHEMA,
                "embedder": self.embedder,
                "tools": self.tool_ids,
                "sha256": hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest(),
                "facts": self.facts,
            }
            (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"The adapter cannot be written to {folder} ({error.strerror}).") from error

    @classmethod
    def load(cls, folder: Path, *, embedder: str) -> Self:
        """Raises InvalidInput when a file is missing, cut off or changed, or made for another embedder or version."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            content = (folder / ARRAYS).read_bytes()
        except OSError as error:
            raise InvalidInput(f"{folder} holds no adapter ({error.strerror}: {error.filename}).") from error
        except ValueError as error:
            raise InvalidInput(f"{folder / MANIFEST} is not JSON; the adapter was not written to its end.") from error
        if manifest.get("schema") != SCHEMA:
            raise InvalidInput(f"The adapter in {folder} is of {manifest.get('schema')!r}, not {SCHEMA}; train again.")
        if hashlib.sha256(content).hexdigest() != manifest.get("sha256"):
            raise InvalidInput(f"{folder / ARRAYS} is cut off or was changed; it does not match its manifest.")
        if manifest["embedder"] != embedder:
            raise InvalidInput(
                f"The adapter in {folder} was trained on vectors of {manifest['embedder']}; here it is {embedder}."
            )
        with np.load(folder / ARRAYS) as arrays:
            queries = arrays["queries"].astype(np.float32)
            if arrays["at"].size and arrays["at"][1].max() >= len(manifest["tools"]):
                raise InvalidInput(f"{folder / ARRAYS} and its manifest do not fit: they name different tools.")
            outcomes = np.zeros((len(queries), len(manifest["tools"]), 4), dtype=np.float32)
            outcomes[tuple(arrays["at"])] = arrays["outcomes"]
            weights = arrays["weights"]
        return cls(tuple(manifest["tools"]), CaseBank(queries, outcomes), weights, embedder, manifest.get("facts", {}))
