"""The command line. Every command speaks the HTTP API: of a running gateway, or of one opened in this process."""

from __future__ import annotations

import os

# Before numpy is imported. Threads of its linear algebra spin for milliseconds after every small product and take the
# cores from the embedding model: a search of 24 ms took 32. Who trains has torch, which has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
