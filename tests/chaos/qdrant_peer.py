"""A fake Qdrant server: the REST of the parts we use, over qdrant-client's own local mode.

    python -m tests.chaos.qdrant_peer

Prints its port once it listens. `PUT /fault/{kind}` makes it misbehave: `none`, `failing` (500), `garbage` (JSON that
is no answer) or `html`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_SELECTOR: TypeAdapter[Any] = TypeAdapter(models.PointsSelector)


class Peer:
    """One request at a time: local mode knows no threads."""

    def __init__(self) -> None:
        self._client = QdrantClient(location=":memory:")
        self._turn = asyncio.Lock()
        self._fault = "none"

    async def set_fault(self, request: Request) -> Response:
        self._fault = request.path_params["kind"]
        return JSONResponse({"fault": self._fault})

    async def names(self, _request: Request) -> Response:
        return JSONResponse({"result": _plain(self._client.get_collections()), "status": "ok", "time": 0.0})

    async def answer(self, request: Request) -> Response:
        match self._fault:
            case "failing":
                return JSONResponse({"status": {"error": "out of order"}, "time": 0.0}, 500)
            case "garbage":
                return JSONResponse({"result": [{"points": [{"id": "x", "score": "?"}]}], "status": 7})
            case "html":
                return Response("<html>", media_type="text/html")
        doing = f"{request.method} {request.path_params.get('rest', '')}"
        body = await request.body()
        async with self._turn:
            try:
                result = await asyncio.to_thread(self._do, request.path_params["name"], doing, body)
            except (ValueError, KeyError) as error:
                return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, 400)
        return JSONResponse({"result": _plain(result), "status": "ok", "time": 0.0})

    def _do(self, name: str, doing: str, body: bytes) -> Any:
        method, _, what = doing.partition(" ")
        if not what:
            return self._collection(name, method, body)
        match doing:
            case "PUT points":
                self._client.upsert(name, models.PointsList.model_validate_json(body).points)
            case "POST points/delete":
                self._client.delete(name, _SELECTOR.validate_json(body))
            case "PUT index":
                """Local mode has none, and needs none."""
            case _:
                return self._read(name, doing, body)
        return {"operation_id": 1, "status": "completed"}

    def _collection(self, name: str, method: str, body: bytes) -> Any:
        if method == "GET":
            return self._client.get_collection(name)
        if method == "DELETE":
            return self._client.delete_collection(name)
        asked = models.CreateCollection.model_validate_json(body)
        return self._client.create_collection(name, asked.vectors or {}, sparse_vectors_config=asked.sparse_vectors)

    def _read(self, name: str, doing: str, body: bytes) -> Any:
        match doing:
            case "GET exists":
                return {"exists": self._client.collection_exists(name)}
            case "POST points/query/batch":
                asked = models.QueryRequestBatch.model_validate_json(body)
                return self._client.query_batch_points(name, asked.searches)
            case "POST points/scroll":
                scroll = models.ScrollRequest.model_validate_json(body)
                points, offset = self._client.scroll(
                    name, limit=scroll.limit or 10, offset=scroll.offset, with_payload=scroll.with_payload or False
                )
                return {"points": points, "next_page_offset": offset}
            case "POST points":
                wanted = models.PointRequest.model_validate_json(body)
                return self._client.retrieve(name, wanted.ids, with_payload=wanted.with_payload or False)
        raise ValueError(f"The peer does not know {doing!r}.")


def _plain(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_none=True)
    if isinstance(result, list):
        return [_plain(one) for one in result]
    return {key: _plain(value) for key, value in result.items()} if isinstance(result, dict) else result


def main() -> None:
    peer = Peer()
    methods = ["GET", "PUT", "POST", "DELETE"]
    app = Starlette(
        routes=[
            Route("/fault/{kind}", peer.set_fault, methods=["PUT"]),
            Route("/collections", peer.names),
            Route("/collections/{name}", peer.answer, methods=methods),
            Route("/collections/{name}/{rest:path}", peer.answer, methods=methods),
        ]
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)  # noqa: T201
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()
