"""The port of a back-end. Real: `embedded.py`, `rerank.py`, `chat.py`; fake: `fake.py`."""

from __future__ import annotations

from typing import Protocol

from policy_client.decision import Decision, Question


class Decider(Protocol):
    """A policy that can be asked. Asking changes nothing."""

    @property
    def name(self) -> str:
        """embedded, rerank or chat: what the log and the states call it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same question may be answered otherwise."""
        ...

    @property
    def reads_texts(self) -> bool:
        """Whether it looks at what tools say of themselves; reading that from the catalogue takes time."""
        ...

    async def decide(self, question: Question) -> Decision:
        """Raises ModelUnavailable, also for an answer that names what the question does not."""
        ...

    async def aclose(self) -> None: ...
