"""Any sentence-transformers model, from a local folder or by model id: the extra `toolcrib[st]`, which brings torch.

Refuses to know: which model it runs. A model id may be fetched by the library; a folder never is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import EmbedderUnavailable
from index.embedders.lengths import by_length
from index.embedders.texts import encodable
from index.embedders.vectors import require_shape, unit_rows
from index.ports import Matrix

PREPROCESSING_VERSION = "1"

BATCH = 16

_WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")


class SentenceTransformersEmbedder:
    """Loads the model at once, because its dimension is not known before; blocking, seconds.

    Raises EmbedderUnavailable when the extra is not installed or the model cannot be loaded.
    """

    def __init__(self, model: str, *, device: str | None = None) -> None:
        self._model: Any = _load(model, device)
        self._dimension = int(self._model.get_embedding_dimension())
        self._version = f"st:{Path(model).name}:{_fingerprint(model)}:p{PREPROCESSING_VERSION}"
        self._is_closed = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sentence-transformers")

    @property
    def version(self) -> str:
        return self._version

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), dimension). Runs batch by batch, so that a query slips in between a long job's."""
        loop = asyncio.get_running_loop()
        out = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for rows in by_length([len(text) for text in texts], BATCH):
            if self._is_closed:
                raise EmbedderUnavailable("The embedding model is closed; the process is ending.")
            out[rows] = await loop.run_in_executor(self._worker, self._infer, [texts[row] for row in rows])
        return out

    async def close(self) -> None:
        """Wait for the run in progress and end the thread; what is left of a long job fails."""
        self._is_closed = True
        await asyncio.to_thread(self._worker.shutdown)

    def _infer(self, texts: list[str]) -> Matrix:
        vectors = self._model.encode(encodable(texts), batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
        matrix = unit_rows(np.asarray(vectors, dtype=np.float32))
        return require_shape(matrix, len(texts), self._dimension, self._version)


def _load(model: str, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - an extra: seconds, and often absent
    except ImportError as error:
        raise EmbedderUnavailable(
            f"The model {model!r} needs sentence-transformers; run `pip install 'toolcrib[st]'`."
        ) from error
    try:
        return SentenceTransformer(model, device=device)
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbedderUnavailable(
            f"The model {model!r} cannot be loaded ({type(error).__name__}); name a local folder or a model id."
        ) from error


def _fingerprint(model: str) -> str:
    """8 hex over the weights of a local folder, so that exchanged files change the version; `hub` for a model id."""
    folder = Path(model)
    if not folder.is_dir():
        return "hub"
    digest = hashlib.sha256()
    for file in sorted(path for pattern in _WEIGHT_FILES for path in folder.glob(pattern)):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:8]
