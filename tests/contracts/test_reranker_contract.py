"""One suite for every reranker: the fake, both request forms over a real connection, and a cross-encoder of the extra
[st] where it is installed (tests/rl makes a tiny one).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from index.model_ports import Reranker
from index.rerankers.fake import SharedWordsReranker
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.http.rerank import RerankClient, RerankForm
from tests.policy_client.model_server import ModelServer, model_server

pytestmark = pytest.mark.anyio

DOCUMENTS = ["read a file from disk", "", "send mail \ud800", "read a file from disk", "word " * 3000]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(params=["fake", *RerankForm])
async def reranker(request: pytest.FixtureRequest, server: ModelServer) -> AsyncIterator[Reranker]:
    made: Reranker = SharedWordsReranker()
    if request.param != "fake":
        server.rerank_form = request.param
        made = RerankClient(JsonClient(Endpoint(server.url, model="words")))
    yield made
    await made.aclose()


async def test_there_is_one_score_per_document_in_their_order(reranker: Reranker) -> None:
    scores = await reranker.scores("read a file", DOCUMENTS)
    assert len(scores) == len(DOCUMENTS)
    assert scores[0] == scores[3] > scores[2]
    assert list(await reranker.scores("read a file", DOCUMENTS[::-1])) == list(scores)[::-1]


async def test_no_documents_have_no_scores(reranker: Reranker) -> None:
    assert list(await reranker.scores("read a file", [])) == []


async def test_it_says_what_it_is(reranker: Reranker) -> None:
    assert reranker.version
