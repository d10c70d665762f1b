"""One gateway in front of the demo's real servers, shared by the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, absent
from tests.e2e.running import GatewayProcess, command, serving
from tests.store.databases import migrated_postgres, postgres_server, postgres_url  # noqa: F401  fixtures


@pytest.fixture(scope="session")
def demo_config() -> Path:
    """The mcp.json that `make demo-servers` writes."""
    path = Path(os.environ.get("TOOLCRIB_DEMO", ROOT / ".demo")) / "mcp.json"
    if not path.is_file():
        absent(f"The demo's servers ({path.name}; run `make demo-servers`)")
    return path


@pytest.fixture(scope="session")
def demo_gateway(demo_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    data = tmp_path_factory.mktemp("demo")
    with serving(data) as gateway:
        imported = command(data, "servers", "import", str(demo_config), "--yes")
        assert imported.returncode == 0, imported.stderr
        yield gateway
