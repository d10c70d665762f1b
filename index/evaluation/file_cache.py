"""A VectorCache in one file, for evaluations and benchmarks, which have no store.

Records are appended and never changed; a record that was cut off by a crash is dropped when the file is opened. A lock
on the file keeps whoever opens it from taking a record for cut off that another process is writing.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput

_DIGEST = 32
_LENGTH = struct.Struct("<I")
_MAX_DIMENSION = 1 << 16


class FileVectorCache:
    """`FOLDER/vectors.bin`: SHA-256 of the key, dimension, float32 components; all of it is held in memory."""

    def __init__(self, folder: Path) -> None:
        """Blocking. Raises InvalidInput when the folder cannot be made or read."""
        self._path = folder / "vectors.bin"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                self._vectors, intact = _parse(self._path.read_bytes())
                stream.truncate(intact)
        except OSError as error:
            raise InvalidInput(
                f"The vector cache {self._path} cannot be opened ({error.strerror}); name another folder."
            ) from error

    async def get_many(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        found = {key: self._vectors.get(_digest(key)) for key in keys}
        return {key: vector for key, vector in found.items() if vector is not None}

    async def put_many(self, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        fresh = {_digest(key): np.asarray(vector, dtype="<f4") for key, vector in vectors.items()}
        records = b"".join(digest + _LENGTH.pack(vector.size) + vector.tobytes() for digest, vector in fresh.items())
        await asyncio.to_thread(self._append, records)
        self._vectors.update(fresh)

    def _append(self, records: bytes) -> None:
        with self._path.open("ab", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            written = 0
            while written < len(records):
                written += stream.write(records[written:])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _parse(content: bytes) -> tuple[dict[bytes, npt.NDArray[np.float32]], int]:
    """The vectors, and how many bytes of the file are whole records."""
    vectors: dict[bytes, npt.NDArray[np.float32]] = {}
    at = 0
    while at + _DIGEST + _LENGTH.size <= len(content):
        (size,) = _LENGTH.unpack_from(content, at + _DIGEST)
        start = at + _DIGEST + _LENGTH.size
        end = start + 4 * size
        if not 0 < size <= _MAX_DIMENSION or end > len(content):
            break
        vectors[content[at : at + _DIGEST]] = np.frombuffer(content, dtype="<f4", count=size, offset=start)
        at = end
    return vectors, at
