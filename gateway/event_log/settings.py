"""Settings of the event log: the rules of every tenant that has set none of its own."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from domain.log_rules import MOST_EXPLORATION, LogRules, QueryText


class LogSettings(BaseSettings):
    """A part of `gateway.settings.Settings`."""

    log_retention_days: float = Field(
        default=LogRules().retention_days, gt=0, description="Days for which the event log keeps what happened."
    )
    log_events: int = Field(default=LogRules().max_events, ge=1, description="Most events kept of a tenant.")
    log_queries: QueryText = Field(
        default=QueryText.FULL, description="What the event log keeps of queries: full, masked (without values), none."
    )
    log_arguments: bool = Field(
        default=False, description="Whether the event log keeps values of arguments; their hash always."
    )
    exploration: float = Field(
        default=0.0,
        ge=0,
        le=MOST_EXPLORATION,
        description="Probability that a search shows one further tool at random, from which policies learn.",
    )

    first_place: float = Field(
        default=0.0,
        ge=0,
        le=MOST_EXPLORATION,
        description="Probability that a search draws which of its tools stands first, by which policies are judged.",
    )

    @property
    def log_rules(self) -> LogRules:
        return LogRules(
            retention_days=self.log_retention_days,
            max_events=self.log_events,
            queries=self.log_queries,
            arguments=self.log_arguments,
            exploration=self.exploration,
            first_place=self.first_place,
        )
