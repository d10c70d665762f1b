"""What Toolcrib answers, as values. Fields that later versions add are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One tool that a search found. `definition` is the MCP definition under the name it is called by."""

    name: str
    server: str
    score: float
    definition: Json

    @classmethod
    def of(cls, body: Json) -> Self:
        return cls(body["definition"]["name"], body["server"], body["score"], body["definition"])


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a memory, by tool name; and what it holds now."""

    tools: int
    capacity: int
    tokens: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Json) -> Self:
        kinds = ("added", "removed", "evicted", "unknown", "refused", "deferred")
        return cls(
            body["tools"], body["capacity"], body["tokens"], **{kind: tuple(body.get(kind, ())) for kind in kinds}
        )

    def __str__(self) -> str:
        said = f"{self.tools} of {self.capacity} tools are held."
        if self.evicted:
            said += f" No longer held: {', '.join(self.evicted)}; a call by name brings one back."
        if self.unknown:
            said += f" Not held: {', '.join(self.unknown)}."
        return said


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the tools of the next request to a model, in the form that was asked for.

    `references`: of deferred tools, what a search's result names as loaded. `unbound`: tools that the provider would
    refuse, with the reason. `degraded`: what failed and was done by a rule.
    """

    number: int
    tools: list[dict[str, Any]]
    names: tuple[str, ...]
    queries: tuple[str, ...]
    memory: Change
    folded: tuple[str, ...] = ()
    references: tuple[Json, ...] = ()
    unbound: Json = field(default_factory=dict)
    degraded: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Json) -> Self:
        return cls(
            number=body["turn"],
            tools=list(body["tools"]),
            names=tuple(body["names"]),
            queries=tuple(body["queries"]),
            memory=Change.of(body["memory"]),
            folded=tuple(line["tool_id"] for line in body["folded"]),
            references=tuple(body.get("references", ())),
            unbound=body.get("unbound", {}),
            degraded=tuple(body["degraded"]),
        )


@dataclass(frozen=True, slots=True)
class Held:
    """One tool of a memory: why it came, how large, how often called, for how many turns unused."""

    tool_id: str
    reason: str
    tokens: int
    uses: int
    idle_turns: int
    pinned: bool

    @classmethod
    def of(cls, body: Json) -> Self:
        return cls(*(body[name] for name in ("tool_id", "reason", "tokens", "uses", "idle_turns", "pinned")))


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything a session holds, in the order it came; and the names of what left."""

    held: tuple[Held, ...]
    folded: tuple[str, ...]
    capacity: int
    tokens: int

    @classmethod
    def of(cls, body: Json) -> Self:
        return cls(
            tuple(map(Held.of, body["entries"])),
            tuple(line["tool_id"] for line in body["folded"]),
            body["capacity"],
            body["tokens"],
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered: the MCP result as it came, and the text a model reads."""

    text: str
    is_error: bool = False
    raw: Json | None = None

    @classmethod
    def of(cls, raw: Json) -> Self:
        blocks = raw.get("content") or ()
        texts = [block["text"] for block in blocks if block.get("type") == "text"]
        return cls("\n".join(texts), bool(raw.get("isError")), raw)
