"""Who asks: a principal belongs to one tenant and carries roles. Passed into every use case."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a principal may do."""

    ADMIN = "admin"  # registers servers, reviews changes, sees every session of the tenant
    AGENT = "agent"  # searches, calls, and keeps sessions of its own


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `tenant` is part of every key, point id and cache key."""

    tenant: str
    subject: str
    roles: frozenset[Role] = field(default_factory=frozenset)

    @property
    def is_admin(self) -> bool:
        return Role.ADMIN in self.roles


LOCAL = Principal("default", "local", frozenset(Role))
"""The person at this machine's loopback address, until keys exist."""
