"""`toolcrib servers import`: several files, a look beforehand, values by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.e2e.running import command, command_json

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]
SERVER = {
    "name": "com.acme/search",
    "packages": [
        {
            "registryType": "npm",
            "identifier": "@acme/search",
            "version": "1.0.2",
            "transport": {"type": "stdio"},
            "environmentVariables": [{"name": "API_KEY", "isRequired": True, "isSecret": True}],
        }
    ],
}


def test_a_dry_run_shows_each_command_and_writes_nothing_into_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text(
        json.dumps({"mcpServers": {"ref": {"command": REFERENCE[0], "args": REFERENCE[1:]}, "bad": {"args": ["x"]}}})
    )
    (tmp_path / "server.json").write_text(json.dumps(SERVER))
    files = [str(tmp_path / "mcp.json"), str(tmp_path / "server.json")]
    data = tmp_path / "data"
    data.mkdir()

    done = command(data, "servers", "import", *files, "--set", "API_KEY=s3cret", "--dry-run", "--json")

    assert done.returncode == 3, done.stderr
    shown = json.loads(done.stdout)
    commands = {server["server"]: server["command"] for server in shown["servers"]}
    assert commands == {"ref": REFERENCE, "search": ["npx", "-y", "@acme/search@1.0.2"]}
    assert [server["env"] for server in shown["servers"]] == [[], ["API_KEY"]]
    assert ["'bad'" in said for said in shown["problems"]] == [True]
    assert "s3cret" not in done.stdout
    assert list(data.iterdir()) == []


def test_a_dry_run_says_which_names_are_taken_and_registers_nothing(tmp_path: Path) -> None:
    config, data = tmp_path / "mcp.json", tmp_path / "data"
    reference = {"command": REFERENCE[0], "args": REFERENCE[1:]}
    config.write_text(json.dumps({"mcpServers": {"ref": reference}}))
    assert command(data, "servers", "import", str(config), "--yes").returncode == 0
    config.write_text(json.dumps({"mcpServers": {"ref": reference, "Ref": reference, "new": {"url": "http://[::1]/"}}}))

    done = command(data, "servers", "import", str(config), "--dry-run", "--json")

    assert done.returncode == 3
    servers = json.loads(done.stdout)["servers"]
    assert [bool(server["taken"]) for server in servers] == [True, False, False]
    assert servers[1]["server"].startswith("ref-"), "another title, so another slug"
    assert [server["server"] for server in command_json(data, "servers", "list")["servers"]] == ["ref"]
    assert "Nothing was changed." in command(data, "servers", "import", str(config), "--dry-run").stdout
