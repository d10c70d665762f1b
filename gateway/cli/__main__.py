"""`python -m gateway.cli` is `toolcrib`."""

from __future__ import annotations

from gateway.cli.main import main

main()
