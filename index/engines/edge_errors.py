"""The one place that knows how qdrant-edge fails: it raises bare `Exception`, and Rust panics as `BaseException`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from domain.errors import DataFolderInUse, IndexUnavailable

logger = logging.getLogger(__name__)

_LOCKED = "WouldBlock"  # the write-ahead log is locked by the process that has the shard open


@contextmanager
def engine_errors(doing: str, on_failure: Callable[[], None] | None = None) -> Iterator[None]:
    """Turn what the engine raises into IndexUnavailable, or DataFolderInUse when another process holds the shard.

    `on_failure` runs before the raise, but not for a shard in use. Whatever is not the engine's passes untouched.
    """
    try:
        yield
    except BaseException as error:  # the library has no exception types of its own; all others are raised again
        if not _is_the_engines(error):
            raise
        if _LOCKED in str(error):
            raise DataFolderInUse(
                "The vector index is open in another process; stop that one, or name another data folder with --data."
            ) from error
        if on_failure is not None:
            on_failure()
        logger.warning("The vector engine failed while %s: %s", doing, error)
        raise IndexUnavailable(
            f"The vector index failed while {doing}; it is rebuilt from the store at the next start."
        ) from error


def _is_the_engines(error: BaseException) -> bool:
    """Exactly `Exception`, never a subclass of it; or the panic type, which cannot be imported by name."""
    return type(error) is Exception or type(error).__name__ == "PanicException"
