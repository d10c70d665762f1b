"""A backend that is always there: attaches to the gateway that owns the folder, or becomes it.

When the gateway it speaks to ends, the next request finds the new owner, or takes the folder over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from domain.errors import DataFolderInUse, NameTaken
from domain.identity import LOCAL
from gateway.api_client import ApiClient, GatewayGone
from gateway.data_folder import read_owner
from gateway.mcp.backend import Backend
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.backend_remote import RemoteBackend
from gateway.mcp.meta_tools import Behind
from gateway.plan_body import PlanBody
from gateway.runner import Running, run_gateway
from gateway.settings import Settings

T = TypeVar("T")

_ATTEMPTS = 100
_BETWEEN_ATTEMPTS_S = 0.1


class GatewayLink:
    """Implements `gateway.mcp.backend.Backend`. Use as an async context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._backend: Backend | None = None
        self._api: ApiClient | None = None
        self._owning: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._lock = asyncio.Lock()

    async def behind(self) -> Behind:
        return await self._with(lambda backend: backend.behind())

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        return await self._with(lambda backend: backend.catalogue())

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        return await self._with(lambda backend: backend.search(queries, session))

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        return await self._with(lambda backend: backend.call(name, arguments, session, client))

    @property
    def has_plans(self) -> bool:
        return self._settings.plan_tool

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        return await self._with(lambda backend: backend.plan(body))

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:
        return await self._with(lambda backend: backend.read_result(handle, page, session))

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        return await self._with(lambda backend: backend.remove(names, session))

    async def __aenter__(self) -> Self:
        await self._find()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._owning is not None:
            await self._owning
        await self._detach()

    async def _with(self, ask: Callable[[Backend], Awaitable[T]]) -> T:
        backend = self._backend or await self._find()
        try:
            return await ask(backend)
        except GatewayGone as gone:
            await self._lose(backend)
            if gone.sent:
                raise  # the request may have been carried out: repeating it is for the caller to decide
            return await ask(await self._find())

    async def _find(self) -> Backend:
        async with self._lock:
            for _ in range(_ATTEMPTS):
                if self._backend is None:
                    self._backend = await self._attach() or await self._own()
                if self._backend is not None:
                    return self._backend
                await asyncio.sleep(_BETWEEN_ATTEMPTS_S)  # another process is just taking the folder over
            raise DataFolderInUse

    async def _attach(self) -> Backend | None:
        url = self._settings.url
        if url is None:
            owner = read_owner(self._settings.data)
            url = owner.url if owner is not None else None
        if url is None:
            return None
        self._api = ApiClient(url.rstrip("/"))
        return RemoteBackend(self._api, has_plans=self._settings.plan_tool)

    async def _own(self) -> Backend | None:
        ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._owning = asyncio.create_task(self._keep(ready), name="owned gateway")
        try:
            return LocalBackend((await ready).crib, LOCAL)
        except DataFolderInUse:
            await self._owning
            self._owning = None
            return None

    async def _keep(self, ready: asyncio.Future[Running]) -> None:
        """Own the gateway inside one task, which opens and closes it."""
        for settings in (self._settings, self._settings.model_copy(update={"port": 0})):
            try:
                async with run_gateway(settings) as running:
                    ready.set_result(running)
                    await self._stop.wait()
            except NameTaken:
                continue  # the usual port serves another folder: take a free one
            except Exception as error:  # outermost loop: whoever waits must learn why
                if ready.done():
                    raise
                ready.set_exception(error)
            return

    async def _lose(self, backend: Backend) -> None:
        if self._backend is backend:
            self._backend = None
            await self._detach()

    async def _detach(self) -> None:
        if self._api is not None:
            api, self._api = self._api, None
            await api.aclose()
