"""A real HTTP server on loopback that speaks the forms of model servers, and misbehaves when told to.

Its rerank score is the number of words that query and document share; its embeddings are those of the fake embedder;
its chat answers what `says` returns for a prompt.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from index.embedders.fake import HashingEmbedder

Answer = Response
Body = dict[str, Any]


@dataclass
class ModelServer:
    """What it was asked, and how it answers. `fault`, if set, is the answer to everything; `silent` answers nothing."""

    url: str = ""
    asked: list[tuple[str, Body]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    fault: Callable[[], Response] | None = None
    silent: bool = False
    says: Callable[[str], str] = lambda _prompt: "{}"
    rerank_form: str = "documents"
    chat_forms: tuple[str, ...] = ("json_schema", "json_object", "none")
    longest: int = 100_000  # characters of a text to embed
    dimension: int = 64
    released: threading.Event = field(default_factory=threading.Event)  # ends what a silent server holds back

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body in self.asked]


def refused(status: int, message: str = "no", **headers: str) -> Callable[[], Response]:
    return lambda: JSONResponse({"error": {"message": message}}, status, headers or None)


def shared_words(query: str, document: str) -> float:
    return float(len(set(query.lower().split()) & set(document.lower().split())))


@contextmanager
def model_server(port: int = 0) -> Iterator[ModelServer]:
    """Serves in a thread of its own until the block ends; on a free port unless one is given."""
    state = ModelServer()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    host, port = listener.getsockname()
    state.url = f"http://{host}:{port}"
    config = uvicorn.Config(_app(state), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.should_exit = True
        thread.join(10)
        listener.close()


def _app(state: ModelServer) -> Starlette:
    async def serve(request: Request) -> Response:
        body = json.loads(await request.body())
        state.asked.append((request.url.path, body))
        state.keys.append(request.headers.get("Authorization"))
        if state.silent:
            await anyio.to_thread.run_sync(state.released.wait, abandon_on_cancel=True)
            return Response(status_code=503)
        if state.fault is not None:
            return state.fault()
        return await _ROUTES[request.url.path.rpartition("/")[2]](state, body)

    return Starlette(routes=[Route("/{path:path}", serve, methods=["POST"])])


async def _rerank(state: ModelServer, body: Body) -> Response:
    if state.rerank_form not in body:
        return JSONResponse({"detail": f"{state.rerank_form} is missing"}, 422)
    scored = [(shared_words(body["query"], text), at) for at, text in enumerate(body[state.rerank_form])]
    best_first = sorted(scored, reverse=True)
    if state.rerank_form == "texts":
        return JSONResponse([{"index": at, "score": score} for score, at in best_first])
    return JSONResponse({"results": [{"index": at, "relevance_score": score} for score, at in best_first]})


async def _openai(state: ModelServer, body: Body) -> Response:
    if any(len(text) > state.longest for text in body["input"]):
        return JSONResponse({"error": {"message": "too long"}}, 400)
    rows = (await HashingEmbedder(state.dimension).embed(body["input"])) * 3  # of no unit length: some models are so
    data = [{"index": at, "embedding": row.tolist(), "object": "embedding"} for at, row in enumerate(rows)]
    return JSONResponse({"data": data[::-1], "object": "list"})


async def _tei(state: ModelServer, body: Body) -> Response:
    if len(body["inputs"]) > 32:
        return JSONResponse({"error": "batch size > maximum allowed batch size 32"}, 422)
    return JSONResponse((await HashingEmbedder(state.dimension).embed(body["inputs"])).tolist())


async def _chat(state: ModelServer, body: Body) -> Response:
    form = body.get("response_format", {}).get("type", "none")
    if form not in state.chat_forms:
        return JSONResponse({"error": {"message": f"{form} is not supported"}}, 400)
    content = await anyio.to_thread.run_sync(state.says, body["messages"][-1]["content"])
    return JSONResponse({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})


_ROUTES = {"rerank": _rerank, "embeddings": _openai, "embed": _tei, "completions": _chat}
