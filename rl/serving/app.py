"""The server: `/rerank` in both forms in the wild, `/info`, `/health`, `/metrics`.

Requests that come together are scored together: what comes while a batch runs makes the next one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import InvalidInput
from policy_client.deciders.gathering import Batches
from policy_client.packing import packed
from rl.serving.runners import OnnxScorer, Request, Runner, served_version

MOST_DOCUMENTS = 1024


class RerankBody(BaseModel):
    """`documents` as Cohere, Jina and vLLM have them, or `texts` as Text Embeddings Inference has."""

    query: str = Field(max_length=100_000)
    documents: list[str] | None = Field(default=None, max_length=MOST_DOCUMENTS)
    texts: list[str] | None = Field(default=None, max_length=MOST_DOCUMENTS)
    top_n: int | None = Field(default=None, ge=1)


class LogitsBody(BaseModel):
    """What a scorer reads of several decisions (policy_client.scorer_features), packed (policy_client.packing):
    (decisions, slots, F), (decisions, G), (decisions, slots).
    """

    decisions: int = Field(ge=1, le=MOST_DOCUMENTS)
    slots: int = Field(ge=1, le=MOST_DOCUMENTS)
    candidates: str
    context: str
    there: str


class Server:
    """One policy, for any number of gateways at once."""

    def __init__(self, runner: Runner, *, most: int) -> None:
        """`most`: requests of one batch; 1 scores them one after the other."""
        self._runner = runner
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self._batches: Batches[Request, list[float]] = Batches(self._run, most=most)
        self.registry = CollectorRegistry()
        self._requests = Counter("toolcrib_policy_requests", "Requests.", ["status"], registry=self.registry)
        self._seconds = Histogram("toolcrib_policy_seconds", "From a request to its answer.", registry=self.registry)
        sizes = [1, 2, 4, 8, 16, 32, 64]
        self._sizes = Histogram("toolcrib_policy_batch", "Requests a batch.", registry=self.registry, buckets=sizes)

    async def rerank(self, http: HttpRequest) -> Response:
        """Scores by falling score, each with the index of its document."""
        began = time.perf_counter()
        try:
            body = RerankBody.model_validate_json(await http.body())
            request = _request(body)
            self._runner.check(request)  # one that is broken must not fail those that it shares a batch with
            scores = await self._batches.answer(request)
        except (ValidationError, InvalidInput) as error:
            self._requests.labels("422").inc()
            said = error.message if isinstance(error, InvalidInput) else "The request is not in the rerank form."
            return JSONResponse({"detail": said}, 422)
        if not all(map(math.isfinite, scores)):
            self._requests.labels("500").inc()
            return JSONResponse({"detail": "The policy answered with numbers that are none; train it again."}, 500)
        self._requests.labels("200").inc()
        self._seconds.observe(time.perf_counter() - began)
        return JSONResponse(self._answer(body, scores))

    async def logits(self, http: HttpRequest) -> Response:
        """A scorer's logits of several decisions at once: the numbers of one gateway, without their texts."""
        runner = self._runner
        try:
            if not isinstance(runner, OnnxScorer):
                raise InvalidInput("This server's policy reads texts; ask it at /rerank.")  # noqa: TRY301
            body = LogitsBody.model_validate_json(await http.body())
            tables = runner.tables((body.decisions, body.slots), body.candidates, body.context, body.there)
        except (ValidationError, InvalidInput) as error:
            self._requests.labels("422").inc()
            said = error.message if isinstance(error, InvalidInput) else "The request is not that of a scorer."
            return JSONResponse({"detail": said}, 422)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._worker, runner.logits, tables)
        self._requests.labels("200").inc()
        self._sizes.observe(body.decisions)
        return JSONResponse({"logits": packed(found)})

    async def info(self, _http: HttpRequest) -> Response:
        """Which policy this is: kind, version, and the texts or features that it reads."""
        manifest = self._runner.manifest
        return JSONResponse(
            {
                "kind": manifest.kind,
                "version": served_version(self._runner),
                "features": manifest.features,
                "made_at": manifest.made_at,
                "metrics": dict(manifest.metrics),
            }
        )

    async def health(self, _http: HttpRequest) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(self, _http: HttpRequest) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def aclose(self) -> None:
        await self._batches.aclose()
        await asyncio.to_thread(self._worker.shutdown)

    async def _run(self, requests: Sequence[Request]) -> Sequence[list[float]]:
        self._sizes.observe(len(requests))
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._runner.scores, requests)

    def _answer(self, body: RerankBody, scores: Sequence[float]) -> Any:
        order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
        if body.documents is None:
            return [{"index": at, "score": scores[at]} for at in order]
        results = [{"index": at, "relevance_score": scores[at]} for at in order[: body.top_n]]
        return {"model": served_version(self._runner), "results": results}


def _request(body: RerankBody) -> Request:
    documents = body.texts if body.documents is None else body.documents
    if documents is None:
        raise InvalidInput("The request has neither documents nor texts; send the actions as documents.")
    return Request(body.query, tuple(documents))


def make_app(runner: Runner, *, most: int = 64) -> Starlette:
    """An application over a policy; its lifespan ends the policy's thread."""
    server = Server(runner, most=most)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await server.aclose()

    routes = [
        Route("/rerank", server.rerank, methods=["POST"]),
        Route("/logits", server.logits, methods=["POST"]),
        Route("/info", server.info, methods=["GET", "POST"]),
        Route("/health", server.health),
        Route("/metrics", server.metrics),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
