"""The gateway, and what the rooms of learning add to its command line, start without torch."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import importlib.metadata, sys
import gateway.cli.main, gateway.wiring, gateway.evaluation.need, gateway.evaluation.next_tool, index.adapter.stage
for entry in importlib.metadata.entry_points(group="toolcrib.commands"):
    entry.load()
print(*sorted({"torch", "transformers", "trl"} & set(sys.modules)))
"""


def test_no_command_and_no_part_of_the_gateway_loads_torch_or_its_kin() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
