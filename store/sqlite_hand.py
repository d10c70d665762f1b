"""One SQLite connection in one thread, for single statements: the asynchronous driver crosses from thread to thread
four times per statement, which on a busy machine takes longer than the statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Executable, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool


class SqliteHand:
    """Opened by the first statement. Raises the driver's errors as SQLAlchemy names them."""

    def __init__(self, url: URL, pragmas: Sequence[str]) -> None:
        self._url = url.set(drivername="sqlite+pysqlite")
        self._pragmas = pragmas
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-quick")
        self._connection: Connection | None = None
        self._closed = False

    async def execute(self, statement: Executable, values: Mapping[str, Any]) -> int:
        """How many rows the statement touched; it is committed by itself."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, statement, values)

    async def close(self) -> None:
        """Once is enough, and more than once no error."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    def _execute(self, statement: Executable, values: Mapping[str, Any]) -> int:
        if self._connection is None:
            self._connection = self._open()
        return self._connection.execute(statement, values).rowcount

    def _open(self) -> Connection:
        engine = create_engine(self._url, hide_parameters=True, poolclass=StaticPool)
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for pragma in self._pragmas:
            connection.exec_driver_sql(pragma)
        return connection

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection.engine.dispose()
