"""Database failures by their house names (domain/errors.py). What is not named here is a bug and stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import Conflict, InvalidInput, StorageFull, StoreUnavailable, ToolcribError

_SQLITE_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_WRITE")
_SQLITE_UNAVAILABLE = {
    "SQLITE_NOTADB": "The database file is no SQLite database; move it away, or name another data folder.",
    "SQLITE_CORRUPT": "The database file is damaged; restore it from a backup, or name another data folder.",
    "SQLITE_CANTOPEN": "The database file cannot be opened; check that its folder exists and may be written.",
    "SQLITE_READONLY": "The database file may not be written; check the rights of the file and of its folder.",
    "SQLITE_BUSY": "Another process is writing to the database file; try again, or stop the other one.",
    "SQLITE_IOERR": "The disk failed while the database was read or written; check the disk, then try again.",
}
_POSTGRES_FULL = "53100"
_POSTGRES_UNAVAILABLE = {
    "08": "The connection to PostgreSQL broke; it is opened anew on the next try.",
    "25P03": "PostgreSQL gave up on a transaction that stood still; try again.",
    "28": "PostgreSQL refused the user or the password of the database URL.",
    "3D": "The database named in the URL does not exist; create it, then start again.",
    "42501": "The database user may not do that; grant it the rights on the schema.",
    "53": "PostgreSQL has no room for another connection or for more memory; try again shortly.",
    "55P03": "PostgreSQL waited too long for a lock; try again shortly.",
    "57P": "PostgreSQL is starting or stopping; try again shortly.",
}


@contextmanager
def named_failures() -> Iterator[None]:
    """Raise what the database reports as StorageFull, StoreUnavailable, InvalidInput or Conflict."""
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidInput("A text or number in the request cannot be stored in the database.") from error
    except StatementError as error:
        named = _named(error)
        if named is None:
            raise
        raise named from error
    except (PoolTimeout, OSError, TimeoutError) as error:
        raise StoreUnavailable from error


def _named(error: StatementError) -> ToolcribError | None:
    orig = error.orig
    if isinstance(orig, (UnicodeEncodeError, OverflowError)):
        return InvalidInput("A text or number in the request cannot be stored in the database.")
    name = getattr(orig, "sqlite_errorname", None)
    state = getattr(orig, "sqlstate", None)
    named = _sqlite(str(name)) if name else _postgres(str(state)) if state else None
    if named is not None:
        return named
    if isinstance(error, IntegrityError):
        return Conflict("The record exists already; look at its present state first.")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return StoreUnavailable("The connection to the database broke; it is opened anew on the next try.")
    return None


def _sqlite(name: str) -> ToolcribError | None:
    if name in _SQLITE_FULL:
        return StorageFull()
    for prefix, sentence in _SQLITE_UNAVAILABLE.items():
        if name.startswith(prefix):
            return StoreUnavailable(sentence)
    return None


def _postgres(state: str) -> ToolcribError | None:
    if state == _POSTGRES_FULL:
        return StorageFull()
    if state.startswith("22"):
        return InvalidInput("A text or number in the request cannot be stored in the database.")
    for prefix, sentence in _POSTGRES_UNAVAILABLE.items():
        if state.startswith(prefix):
            return StoreUnavailable(sentence)
    return None
