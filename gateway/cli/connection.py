"""Finds the gateway a command should speak to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import DataFolderInUse
from gateway.api_client import ApiClient
from gateway.data_folder import read_owner
from gateway.settings import Settings


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[ApiClient]:
    """The gateway that `--url` names, else the one that owns the data folder, else one opened here for this command.

    Raises DataFolderInUse when another short command holds the folder at this moment.
    """
    url = settings.url
    if url is None and (owner := read_owner(settings.data)) is not None:
        if owner.url is None:
            raise DataFolderInUse(
                f"Process {owner.pid} is busy with the data folder {settings.data}; try again when it has finished."
            )
        url = owner.url
    if url is None:
        # Imported here: beside a running gateway a command needs no engine, and starts in a third of the time.
        from gateway.runner import open_in_process  # noqa: PLC0415

        async with open_in_process(settings) as api:
            yield api
    else:
        async with ApiClient(url.rstrip("/")) as api:
            yield api
