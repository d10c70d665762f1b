"""Settings of the policy: which one decides, where it is asked, how long, and how much it may change."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from domain.policy_moves import PolicyMode


class PolicySettings(BaseSettings):
    """A part of `gateway.settings.Settings`. An address is a secret here: its query may hold a key."""

    inertia: bool = Field(
        default=True, description="Sessions that go on like recorded ones get the next tool first, without a policy."
    )
    outcome_ranking: bool = Field(
        default=True, description="What a tool's calls came to moves it within a search's answer, never out of it."
    )
    policy_mode: PolicyMode = Field(
        default=PolicyMode.OFF, description="off, shadow (is logged, changes nothing), canary, or live."
    )
    policy_share: float = Field(default=0.1, ge=0, le=1, description="Share of the sessions in the mode canary.")
    policy: str = Field(
        default="shipped", description="Folder of the policy in this process; shipped: the one of this version; none."
    )
    policy_url: SecretStr | None = Field(
        default=None, description="A policy in the rerank form: toolcrib rl serve, vLLM, TEI. Asked before that one."
    )
    policy_key: SecretStr | None = Field(default=None, description="Bearer key of that address.")
    policy_model: str = Field(default="", description="The model's name at that address.")
    policy_chat_url: SecretStr | None = Field(
        default=None, description="OpenAI-compatible chat address of a policy. Asked before all others."
    )
    policy_chat_key: SecretStr | None = Field(default=None, description="Bearer key of that address.")
    policy_chat_model: str = Field(default="", description="The model's name at that address.")
    policy_deadline_s: float = Field(
        default=0.25, gt=0, le=60, description="How long a search waits for each policy behind an address."
    )
