"""Settings of the models: which embed, rerank and answer, and where they are asked. None is needed: the built-in
embedder works without a network, and the others are off until they are set.
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ModelSettings(BaseSettings):
    """A part of `gateway.settings.Settings`. An address is a secret here: its query may hold a key."""

    embedder: str = Field(
        default="minilm",
        description="minilm; st:FOLDER_OR_MODEL with the extra [st]; openai:MODEL or tei at the embedding URL.",
    )
    embedding_url: SecretStr | None = Field(
        default=None, description="Address of the embedding model, like http://h/v1."
    )
    embedding_key: SecretStr | None = Field(default=None, description="Bearer key of that address.")
    embedding_deadline_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="How long a search waits for that model before it goes on by words alone.",
    )
    reranker: str | None = Field(
        default=None, description="st:FOLDER_OR_MODEL with the extra [st], or the model's name at the rerank URL."
    )
    rerank_url: SecretStr | None = Field(
        default=None,
        description="Address of a reranker (vLLM, TEI, Cohere, Jina); none and no st: model: no reranking.",
    )
    rerank_key: SecretStr | None = Field(default=None, description="Bearer key of that address.")
    rerank_deadline_s: float = Field(default=2.0, gt=0, le=60, description="How long a search waits for the reranker.")
    rerank_share: float = Field(default=0.5, ge=0, le=1, description="Share of the reranker in the score of a tool.")
    llm_url: SecretStr | None = Field(
        default=None, description="OpenAI-compatible chat address, for the profile toolshed and for toolcrib enrich."
    )
    llm_model: str = Field(default="", description="The model's name at that address.")
    llm_key: SecretStr | None = Field(default=None, description="Bearer key of that address.")
    llm_deadline_s: float = Field(default=15.0, gt=0, le=600, description="How long a search waits for that model.")
