"""The policy that comes with this version: a scorer trained in simulated tool rooms (docs/rl/scorer.md)."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "data" / "scorer"
