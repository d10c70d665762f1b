"""The router over the policies that the settings name, in the order in which they are asked."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from domain.circuit import Circuit, Patience
from domain.policy_moves import PolicyMode
from gateway.policy.settings import PolicySettings
from policy_client.deciders.chat import ChatDecider
from policy_client.deciders.embedded import EmbeddedDecider, open_policy
from policy_client.deciders.rerank import RerankDecider
from policy_client.http.chat import ChatClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.router import BackEnd, Router
from policy_client.shipped import SHIPPED

EMBEDDED_DEADLINE_S = 0.25
"""A scorer takes a millisecond and a text policy some hundred; what takes longer than this is not worth the wait."""

NONE = "none"

_IN_FLIGHT = 64
_NEVER = Patience(failures=1_000_000)
"""The router leaves a policy alone that fails; its client is not to do so as well, for longer."""


def open_router(settings: PolicySettings) -> Router:
    """Raises InvalidInput for an address that is none, and for a folder whose policy does not fit this version."""
    backends: list[BackEnd] = []
    if settings.policy_mode is PolicyMode.OFF:
        return Router(backends)
    seconds = settings.policy_deadline_s
    if settings.policy_chat_url is not None:
        client = _client(settings.policy_chat_url, settings.policy_chat_key, settings.policy_chat_model, seconds)
        backends.append(BackEnd(ChatDecider(ChatClient(client)), seconds))
    if settings.policy_url is not None:
        client = _client(settings.policy_url, settings.policy_key, settings.policy_model, seconds)
        backends.append(BackEnd(RerankDecider(client), seconds))
    if settings.policy != NONE:
        folder = SHIPPED if settings.policy == "shipped" else Path(settings.policy).expanduser()
        backends.append(BackEnd(EmbeddedDecider(open_policy(folder)), EMBEDDED_DEADLINE_S))
    return Router(backends)


def _client(url: SecretStr, key: SecretStr | None, model: str, deadline_s: float) -> JsonClient:
    bearer = None if key is None else key.get_secret_value()
    endpoint = Endpoint(url.get_secret_value(), model, bearer, deadline_s, in_flight=_IN_FLIGHT)
    return JsonClient(endpoint, circuit=Circuit(_NEVER))
