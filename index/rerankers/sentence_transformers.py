"""Any cross-encoder of sentence-transformers, from a local folder or by model id: the extra `toolcrib[st]`.

Refuses to know: which model it runs. A model id may be fetched by the library; a folder never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import ModelUnavailable
from index.embedders.texts import encodable

BATCH = 16


class CrossEncoderReranker:
    """Loads the model at once; blocking, seconds. All inference runs in one thread of its own.

    Raises ModelUnavailable when the extra is not installed or the model cannot be loaded.
    """

    def __init__(self, model: str, *, device: str | None = None) -> None:
        self._model: Any = _load(model, device)
        self._version = f"st:{Path(model).name}"
        self._is_closed = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cross-encoder")

    @property
    def version(self) -> str:
        return self._version

    async def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        """Batch by batch: a search whose deadline has passed is not worked on to its end."""
        [asked, *read] = encodable([query, *documents])
        scores: list[float] = []
        for start in range(0, len(read), BATCH):
            if self._is_closed:
                raise ModelUnavailable("The reranker is closed; the process is ending.")
            batch = read[start : start + BATCH]
            scores += await asyncio.get_running_loop().run_in_executor(self._worker, self._infer, asked, batch)
        return scores

    async def aclose(self) -> None:
        """Wait for the run in progress and end the thread."""
        self._is_closed = True
        await asyncio.to_thread(self._worker.shutdown)

    def _infer(self, query: str, documents: list[str]) -> list[float]:
        pairs = [(query, document) for document in documents]
        scores = np.asarray(self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False), dtype=np.float64)
        if scores.shape != (len(documents),) or not np.isfinite(scores).all():
            raise ModelUnavailable(
                f"The reranker {self._version} gave scores of shape {scores.shape} for {len(documents)} documents; "
                "name a cross-encoder with one label."
            )
        return [float(score) for score in scores]


def _load(model: str, device: str | None) -> Any:
    try:
        from sentence_transformers import CrossEncoder  # noqa: PLC0415 - an extra: seconds, and often absent
    except ImportError as error:
        raise ModelUnavailable(
            f"The reranker {model!r} needs sentence-transformers; run `pip install 'toolcrib[st]'`."
        ) from error
    try:
        return CrossEncoder(model, device=device)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(
            f"The reranker {model!r} cannot be loaded ({type(error).__name__}); name a local folder or a model id."
        ) from error
