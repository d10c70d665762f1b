"""A policy behind the rerank form: state as the query, actions as the documents, one score each is its logit.

`toolcrib rl serve` answers so, and vLLM, TEI or Cohere serve a text policy so. A server that says at `/info` that its
policy is a scorer is sent the numbers instead of the texts, those of all questions that come together in one request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from policy_client.artefact import SCORER, TEXT
from policy_client.deciders.embedded import actions, read_logits, read_scores, tensors
from policy_client.deciders.gathering import Batches
from policy_client.decision import Decision, Question
from policy_client.http.failures import ModelNonsense, ModelRefused
from policy_client.http.json_client import JsonClient
from policy_client.http.rerank import RerankClient
from policy_client.packing import floats, packed
from policy_client.scorer_features import META
from policy_client.text_form import state_text

NAME = "rerank"


class RerankDecider:
    """Fits the port `Decider`."""

    name = NAME
    reads_texts = True

    def __init__(self, client: JsonClient) -> None:
        self._client = client
        self._rerank = RerankClient(client)
        self._kind: str | None = None
        self._served = ""
        self.together: Batches[Question, Decision] = Batches(self._run)

    @property
    def version(self) -> str:
        return self._served or self._rerank.version

    async def decide(self, question: Question) -> Decision:
        """Raises the failures of `JsonClient`; ModelNonsense where a score is missing or none."""
        if await self._looked_up() == SCORER:
            return await self.together.answer(question)
        state = state_text(question.request, question.calls)
        return read_scores(question, await self._rerank.scores(state, actions(question)), (NAME, self.version))

    async def aclose(self) -> None:
        await self.together.aclose()
        await self._client.aclose()

    async def _run(self, questions: Sequence[Question]) -> Sequence[Decision]:
        candidates, context, there = tensors(questions)
        decisions, slots = there.shape
        body = {
            "decisions": decisions,
            "slots": slots,
            "candidates": packed(candidates),
            "context": packed(context),
            "there": packed(there),
        }
        answer = await self._client.post(self._client.endpoint.at("/logits"), body)
        try:
            said = answer.get("logits") if isinstance(answer, dict) else None
            rows = floats(said, (decisions, len(META) + 2 * slots)).tolist()
        except ValueError:
            raise ModelNonsense(
                f"The policy at {self._client.endpoint.shown} answered without a number per action."
            ) from None
        by = (NAME, self.version)
        return [read_logits(question, row, by) for question, row in zip(questions, rows, strict=True)]

    async def _looked_up(self) -> str:
        """What the server says of itself, asked once; a server of another make refuses that, and gets texts."""
        if self._kind is None:
            try:
                said = await self._client.post(self._client.endpoint.at("/info"), {})
            except (ModelRefused, ModelNonsense):
                said = {}
            told = said if isinstance(said, dict) else {}
            self._kind, self._served = str(told.get("kind", TEXT)), str(told.get("version", ""))
        return self._kind


def numbers(question: Question) -> list[str]:
    """The actions of a question as a scorer reads them in the rerank form, in the order of `actions`."""
    return [
        *(json.dumps({"call": dict(option.features)}) for option in question.options),
        *(json.dumps({"removal": at}) for at, option in enumerate(question.options) if option.held),
        *(json.dumps({"meta": name}) for name in META),
    ]
