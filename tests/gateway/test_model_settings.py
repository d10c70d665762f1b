"""What the settings say of models, before any of them is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from domain.errors import EmbedderUnavailable, InvalidInput
from gateway.cli.doctor_models import model_findings
from gateway.model_settings import ModelSettings
from gateway.models import Embedders, open_models
from gateway.settings import Settings

pytestmark = pytest.mark.anyio

KEY = "sk-canary-42"


def test_settings_show_neither_keys_nor_what_addresses_hold() -> None:
    names = ("embedding_url", "embedding_key", "rerank_url", "rerank_key", "llm_url", "llm_key")
    settings = Settings(**dict.fromkeys(names, SecretStr(f"https://models.example/v1?key={KEY}")))  # type: ignore[arg-type]
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"llm_url": "models.example"}, "no http or https URL"),
        ({"llm_url": "http://me:secret@models.example"}, "user name or password"),
        ({"rerank_url": "https://models.example", "rerank_key": "a\nb"}, "key of https://models.example"),
        ({"reranker": "bge-reranker"}, "TOOLCRIB_RERANK_URL"),
    ],
)
async def test_a_setting_that_cannot_work_is_refused_at_start(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        await open_models(ModelSettings(**settings))
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("maxilm", "No embedder is called"),
        ("openai:", "No embedder"),
        ("st:", "No embedder"),
        ("tei", "TOOLCRIB_EMBEDDING_URL"),
        ("openai:small", "TOOLCRIB_EMBEDDING_URL"),
    ],
)
async def test_an_embedder_that_is_none_is_named(recipe: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await Embedders(ModelSettings())(recipe)


async def test_a_model_on_this_machine_that_is_not_there_is_no_reason_to_stop() -> None:
    with pytest.raises(EmbedderUnavailable):
        await Embedders(ModelSettings())("st:/nonexistent")


async def test_nothing_is_asked_until_a_model_is_set() -> None:
    models = await open_models(ModelSettings())
    assert (models.chat, models.writer, models.reranker, models.states()) == (None, None, None, [])
    await models.probe()
    await models.aclose()


def test_doctor_says_which_models_answer_which_fail_and_which_keys_travel_openly() -> None:
    model = {"purpose": "llm", "address": "http://h/v1", "model": "small", "failure": None, "key_unencrypted": False}
    found = model_findings(
        {
            "embedder": {"wanted": "tei", "is_current": False, "state": "minilm answers, because ..."},
            "models": [model, {**model, "failure": "It is away."}, {**model, "key_unencrypted": True, "model": ""}],
        }
    )
    assert [(one.verdict, one.detail) for one in found] == [
        ("warning", "minilm answers, because ..."),
        ("ok", "small at http://h/v1"),
        ("warning", "searches go on without it: It is away."),
        ("warning", "http://h/v1: its key travels unencrypted: use https"),
    ]
