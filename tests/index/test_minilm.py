"""The embedder of the core install: its numbers are a contract, its files are checked, its thread is its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import EmbedderUnavailable
from index.embedders import minilm
from index.embedders.minilm import MiniLMEmbedder
from index.embedders.models import MINILM_INT8

pytestmark = pytest.mark.anyio


async def test_the_leading_components_are_what_they_were() -> None:
    embedder = MiniLMEmbedder()
    [vector] = await embedder.embed(["Read a file from the local disk."])
    await embedder.close()
    np.testing.assert_allclose(vector[:6], [0.073287, 0.020960, -0.087061, -0.031274, 0.039424, -0.047159], atol=2e-3)
    assert embedder.version == "all-MiniLM-L6-v2-int8:8199be6f:p1"


async def test_what_lies_behind_256_word_pieces_is_not_read() -> None:
    embedder = MiniLMEmbedder()
    cut, same = await embedder.embed(["tool " * 254 + "weather", "tool " * 400])
    await embedder.close()
    np.testing.assert_allclose(cut, same, atol=1e-5)


async def test_the_event_loop_runs_while_texts_are_embedded() -> None:
    embedder = MiniLMEmbedder(threads=1)
    await embedder.warm()
    long = asyncio.create_task(embedder.embed(["a long text about many tools " * 60] * 16))
    beats = 0
    while not long.done():
        await asyncio.wait([long], timeout=0.002)
        beats += 1
    assert (await long).shape == (16, 384)
    assert beats > 5
    await embedder.close()


async def test_a_query_does_not_wait_for_a_whole_indexing_job() -> None:
    embedder = MiniLMEmbedder(threads=1)
    await embedder.warm()
    job = asyncio.create_task(embedder.embed(["a long text about many tools " * 60] * 16))
    await embedder.embed(["a query"])
    assert not job.done()
    await job
    await embedder.close()


async def test_weights_of_another_hash_are_not_loaded() -> None:
    embedder = MiniLMEmbedder(model=replace(MINILM_INT8, weights_sha256="0" * 64))
    with pytest.raises(EmbedderUnavailable, match=r"model\.onnx has SHA-256 8199be6f699a"):
        await embedder.embed(["text"])
    await embedder.close()


async def test_a_missing_tokenizer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_TOKENIZER", tmp_path / "tokenizer.json")
    embedder = MiniLMEmbedder()
    with pytest.raises(EmbedderUnavailable, match=r"tokenizer\.json cannot be read"):
        await embedder.warm()
    await embedder.close()


async def test_a_closed_embedder_fails_what_is_left_of_a_job_and_all_that_comes_later() -> None:
    embedder = MiniLMEmbedder(threads=1)
    await embedder.warm()
    job = asyncio.create_task(embedder.embed(["a long text about many tools " * 60] * 16))
    await embedder.embed(["a query"])
    await embedder.close()
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await job
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedder.embed(["text"])
