"""Finds the gateway a command should speak to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import DataFolderInUse
from gateway.api_client import ApiClient
from gateway.data_folder import read_owner
from gateway.settings import Settings

PATIENCE_S = 10.0
"""How long a command waits for another short one, or for a gateway that is starting."""

_BETWEEN_LOOKS_S = 0.1


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[ApiClient]:
    """The gateway that `--url` names, else the one that owns the data folder, else one opened here for this command.

    Raises DataFolderInUse when another command holds the folder for longer than this one is patient.
    """
    url = settings.url or await _running(settings)
    if url is None:
        # Imported here: beside a running gateway a command needs no engine, and starts in a third of the time.
        from gateway.runner import open_in_process  # noqa: PLC0415

        async with open_in_process(settings) as api:
            yield api
    else:
        async with ApiClient(url.rstrip("/")) as api:
            yield api


async def _running(settings: Settings) -> str | None:
    """The address of the gateway on this folder; None when the folder is free."""
    deadline = time.monotonic() + PATIENCE_S
    while (owner := read_owner(settings.data)) is not None:
        if owner.url is not None:
            return owner.url
        if time.monotonic() > deadline:
            raise DataFolderInUse(
                f"Process {owner.pid} is busy with the data folder {settings.data}; try again when it has finished."
            )
        await asyncio.sleep(_BETWEEN_LOOKS_S)
    return None
