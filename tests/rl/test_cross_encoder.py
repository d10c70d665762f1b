"""The reranker of the extra [st], with a tiny cross-encoder of random weights: what it promises needs no good one."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from domain.errors import ModelUnavailable
from index.rerankers.sentence_transformers import BATCH, CrossEncoderReranker
from tests.conftest import absent

pytestmark = pytest.mark.anyio

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "read", "a", "file", "send", "mail", "from", "disk"]
DOCUMENTS = ["read a file from disk", "", "send mail \ud800", "read a file from disk", "word " * 3000]


def tiny_model(folder: Path, labels: int) -> str:
    """A BERT of two layers and 32 dimensions, always the same."""
    if importlib.util.find_spec("sentence_transformers") is None:
        absent("sentence-transformers (make test-rl)")
    import torch  # noqa: PLC0415 - only `make test-rl` has it
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast  # noqa: PLC0415

    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=labels,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
async def reranker(tmp_path: Path) -> AsyncIterator[CrossEncoderReranker]:
    made = CrossEncoderReranker(tiny_model(tmp_path, labels=1), device="cpu")
    yield made
    await made.aclose()


async def test_there_is_one_score_per_document_in_their_order(reranker: CrossEncoderReranker) -> None:
    scores = await reranker.scores("read a file", DOCUMENTS)
    assert len(scores) == len(DOCUMENTS)
    assert scores[0] == pytest.approx(scores[3], abs=1e-5)
    backward = await reranker.scores("read a file", DOCUMENTS[::-1])
    np.testing.assert_allclose(backward[::-1], scores, atol=1e-5)
    assert len(set(scores)) > 1


async def test_more_documents_than_a_batch_are_scored_as_each_alone(reranker: CrossEncoderReranker) -> None:
    documents = [DOCUMENTS[n % len(DOCUMENTS)] for n in range(BATCH + 3)]
    together = await reranker.scores("send mail", documents)
    alone = [(await reranker.scores("send mail", [document]))[0] for document in documents[:5]]
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)
    assert await reranker.scores("send mail", []) == []


async def test_a_closed_one_says_so(reranker: CrossEncoderReranker) -> None:
    await reranker.aclose()
    with pytest.raises(ModelUnavailable, match="closed"):
        await reranker.scores("read", ["a file"])


async def test_a_classifier_of_several_labels_is_no_reranker(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(tiny_model(tmp_path, labels=3), device="cpu")
    with pytest.raises(ModelUnavailable, match="one label"):
        await reranker.scores("read", ["a file", "mail"])
    await reranker.aclose()


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    tiny_model(tmp_path, labels=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelUnavailable, match="empty"):
        CrossEncoderReranker(str(empty), device="cpu")
