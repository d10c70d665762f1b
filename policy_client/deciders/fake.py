"""A policy without a model, for the tests of whoever asks one: the words that request and tool share are its logit."""

from __future__ import annotations

from domain.text import words
from policy_client.decision import Decision, Question, decision_of


class FakeDecider:
    """Fits the port; never fails."""

    name = "fake"
    version = "fake-1"
    reads_texts = True

    async def decide(self, question: Question) -> Decision:
        asked = set(words(question.request).lower().split())
        shared = [
            float(len(asked & set(f"{words(one.tool_id)} {one.description}".lower().split())))
            for one in question.options
        ]
        useless = [-score for score, one in zip(shared, question.options, strict=True) if one.held]
        return decision_of(question, shared, useless, (0.0, 0.0, -5.0), by=(self.name, self.version))

    async def aclose(self) -> None:
        """Nothing to give back."""
