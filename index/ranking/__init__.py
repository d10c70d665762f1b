"""From what the legs of a search found to one score per tool. Pure: no engine, no model, no clock."""

from __future__ import annotations
