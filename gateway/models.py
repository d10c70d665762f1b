"""Joins the ports of the index with the models that the settings name; reports how each of them fares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from domain.canonical import sha256_hex
from domain.circuit import Circuit, Patience
from domain.errors import InvalidInput, ModelUnavailable
from domain.memory_ports import Deciders, Pruner
from domain.sessions import PrunerKind
from gateway.model_settings import ModelSettings
from gateway.use_cases.catalogue import CatalogueReader
from index.embedders.minilm import MiniLMEmbedder
from index.embedders.remote import RemoteEmbedder
from index.model_ports import Reranker, ToolTexts
from index.ports import Embedder
from index.rerank import RerankedSearch, RerankLimits, RerankStage
from index.searcher import Searcher
from index.toolshed import ToolshedSearch, ToolshedStages
from policy_client.http.chat import ChatClient
from policy_client.http.embeddings import EmbeddingForm, EmbeddingsClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.http.rerank import RerankClient
from policy_client.memory import ModelPruner, ModelSearcher
from policy_client.pruner import PolicyPruner
from policy_client.router import Router

_LOCAL = "st"

_BACKSTOP = 1.25
"""A stage waits a little longer than its client, so that the client sees who is late and leaves it alone."""

_BATCH_DEADLINE_S = 20.0
"""For a batch of document texts: 32 long ones take seconds where there is no GPU."""

_WRITING_DEADLINE_S = 60.0
"""For the questions of a tool, which nobody waits for."""

_YES = {
    "type": "object",
    "properties": {"yes": {"type": "boolean"}},
    "required": ["yes"],
    "additionalProperties": False,
}


class Embedders:
    """Makes embedders by recipe: `minilm`, `st:FOLDER_OR_MODEL`, `openai:MODEL`, `tei`."""

    def __init__(self, settings: ModelSettings, clients: dict[str, JsonClient] | None = None) -> None:
        """`clients` gets the one that asks the embedding URL."""
        self._settings = settings
        self._clients = {} if clients is None else clients

    async def __call__(self, recipe: str, dimension: int | None = None) -> Embedder:
        """`dimension`: what a model behind a URL had, which may be away now.

        Raises InvalidInput for a recipe that is none, EmbedderUnavailable for a model that cannot be had.
        """
        kind, _, model = recipe.partition(":")
        if recipe == "minilm":
            return MiniLMEmbedder()
        if kind == _LOCAL and model:
            from index.embedders.sentence_transformers import SentenceTransformersEmbedder  # noqa: PLC0415 - extra [st]

            return await asyncio.to_thread(SentenceTransformersEmbedder, model)
        if recipe == EmbeddingForm.TEI or (kind == EmbeddingForm.OPENAI and model):
            return await self._remote(EmbeddingForm(kind), model, dimension)
        raise InvalidInput(
            f"No embedder is called {recipe!r}; use minilm, st:FOLDER_OR_MODEL with the extra [st], or openai:MODEL or "
            "tei with TOOLCRIB_EMBEDDING_URL."
        )

    async def _remote(self, form: EmbeddingForm, model: str, dimension: int | None) -> Embedder:
        settings = self._settings
        if settings.embedding_url is None:
            raise InvalidInput(f"The embedder {form} is asked at TOOLCRIB_EMBEDDING_URL, which is not set.")
        endpoint = _endpoint(settings.embedding_url, settings.embedding_key, model, _BATCH_DEADLINE_S)
        circuit = Circuit(Patience(failures=2))  # a batch takes long to fail: no start and no sync waits for many
        client = self._clients["embedder"] = JsonClient(endpoint, circuit=circuit)
        hasty = JsonClient(replace(endpoint, deadline_s=settings.embedding_deadline_s), circuit=circuit)
        # The address is part of what a vector depends on: many servers ignore the model's name.
        name = f"{form}:{model}@{sha256_hex(endpoint.shown)[:8]}"
        source, probe = EmbeddingsClient(client, form), EmbeddingsClient(hasty, form)
        return await RemoteEmbedder.open(source, name, dimension=dimension, probe=probe)


@dataclass(frozen=True, slots=True)
class Models:
    """The optional models of one gateway. Made by `open_models`."""

    chat: ChatClient | None = None  # answers while a search waits
    writer: ChatClient | None = None  # the same model, which has more time
    reranker: Reranker | None = None
    stages: ToolshedStages = field(default_factory=ToolshedStages)
    limits: RerankLimits = field(default_factory=RerankLimits)
    clients: dict[str, JsonClient] = field(default_factory=dict)  # those behind a URL, by what they are for

    def searcher(self, index: Searcher, texts: ToolTexts) -> Searcher:
        """The index with the stages that the models allow."""
        if self.reranker is None:
            return ToolshedSearch(index, self.chat, stages=self.stages)
        rerank = RerankStage(self.reranker, texts, self.limits)
        # The toolshed asks the plain index, and reranks what it finds for each step by that step's need.
        return RerankedSearch(ToolshedSearch(index, self.chat, rerank, self.stages), rerank)

    async def aclose(self) -> None:
        for model in (self.chat, self.writer, self.reranker):
            if model is not None:
                await model.aclose()

    async def probe(self) -> None:
        """Ask the reranker and the language model something small; how it went stands in `states`."""
        asked: list[Awaitable[object]] = []
        if self.reranker is not None:
            asked.append(self.reranker.scores("find a tool", ["a tool that is found"]))
        if self.chat is not None:
            asked.append(self.chat.answer("Say yes.", "Are you there?", _YES))
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, ModelUnavailable):
                raise outcome

    def deciders(self, router: Router) -> Deciders:
        """Who prunes and searches for sessions that ask a model; where there is none, the rule does and says so."""
        pruners: dict[PrunerKind, Pruner] = {PrunerKind.POLICY: PolicyPruner(router)} if router.backends else {}
        if self.chat is None:
            return Deciders(pruners)
        pruners[PrunerKind.LLM] = ModelPruner(self.chat)
        return Deciders(pruners, {PrunerKind.LLM: ModelSearcher(self.chat)})

    def versioned(self, index: str) -> str:
        """The version of the index, and of what may change its order."""
        models = [self.reranker.version] if self.reranker is not None else []
        if self.chat is not None:
            models.append(f"llm:{self.chat.model}")
        return "|".join((index, *models))

    def states(self) -> list[dict[str, Any]]:
        """What each model behind a URL is asked for, where, and its last failure while it lasts."""
        return [state(purpose, client) for purpose, client in self.clients.items()]


async def open_models(settings: ModelSettings) -> Models:
    """Raises InvalidInput for an address that is none, ModelUnavailable for a cross-encoder that cannot be loaded."""
    clients: dict[str, JsonClient] = {}
    chat: ChatClient | None = None
    writer: ChatClient | None = None
    if settings.llm_url is not None:
        endpoint = _endpoint(settings.llm_url, settings.llm_key, settings.llm_model, settings.llm_deadline_s)
        clients["llm"] = JsonClient(endpoint)
        chat = ChatClient(clients["llm"])
        clients["enrichment"] = JsonClient(replace(endpoint, deadline_s=_WRITING_DEADLINE_S))
        writer = ChatClient(clients["enrichment"])
    reranker = await _reranker(settings, clients)
    return Models(
        chat,
        writer,
        reranker,
        ToolshedStages(deadline_s=_BACKSTOP * settings.llm_deadline_s),
        RerankLimits(deadline_s=_BACKSTOP * settings.rerank_deadline_s, share=settings.rerank_share),
        clients,
    )


async def _reranker(settings: ModelSettings, clients: dict[str, JsonClient]) -> Reranker | None:
    kind, _, model = (settings.reranker or "").partition(":")
    if kind == _LOCAL and model:
        from index.rerankers.sentence_transformers import CrossEncoderReranker  # noqa: PLC0415 - the extra [st]

        return await asyncio.to_thread(CrossEncoderReranker, model)
    if settings.rerank_url is not None:
        endpoint = _endpoint(
            settings.rerank_url, settings.rerank_key, settings.reranker or "", settings.rerank_deadline_s
        )
        clients["reranker"] = JsonClient(endpoint)
        return RerankClient(clients["reranker"])
    if settings.reranker:
        raise InvalidInput(
            f"The reranker {settings.reranker!r} is asked at TOOLCRIB_RERANK_URL, which is not set; a model on this "
            "machine is named st:FOLDER_OR_MODEL."
        )
    return None


def tool_texts(catalogue: CatalogueReader) -> ToolTexts:
    """What a reranker reads of a tool: what is indexed of it, as operators changed it."""

    async def texts(tenant: str, tool_ids: Sequence[str]) -> dict[str, str]:
        tools = await catalogue.get_many(tenant, tool_ids)
        return {tool_id: tool.entry.overlay.text(tool.entry.document.text).concat for tool_id, tool in tools.items()}

    return texts


def state(purpose: str, client: JsonClient) -> dict[str, Any]:
    """How one model behind a URL fares."""
    endpoint = client.endpoint
    return {
        "purpose": purpose,
        "address": endpoint.shown,
        "model": endpoint.model,
        "failure": client.last_failure,
        "key_unencrypted": endpoint.is_open,
    }


def _endpoint(url: SecretStr, key: SecretStr | None, model: str, deadline_s: float) -> Endpoint:
    return Endpoint(
        url.get_secret_value(),
        model=model,
        key=key.get_secret_value() if key is not None else None,
        deadline_s=deadline_s,
    )
