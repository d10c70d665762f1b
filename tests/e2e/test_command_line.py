"""The command line as a person uses it, with and without a running gateway."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from tests.e2e.running import command, command_json, serving

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]


def test_a_server_is_added_found_and_called_without_a_gateway(tmp_path: Path) -> None:
    data = tmp_path / "data"
    added = command(data, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    assert added.returncode == 0, added.stderr
    found = command_json(data, "search", "echo", "a", "text")
    assert "ref__echo" in [candidate["tool_id"] for candidate in found["results"][0]["candidates"]]
    with serving(data) as gateway, urllib.request.urlopen(f"{gateway.url}/api/v1/events") as log:
        consents = [event for event in map(json.loads, log) if event["kind"] == "consent"]
    assert [(event["subject"], event["body"]["command"]) for event in consents] == [("local", REFERENCE)]
    called = command(data, "call", "ref__echo", "--arguments", json.dumps({"text": "hello"}))
    assert (called.returncode, called.stdout) == (0, "hello\n")


def test_a_second_sync_of_an_unchanged_server_embeds_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command(data, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    run = command_json(data, "sync")["runs"][0]
    assert run["unchanged"] > 0
    assert (run["added"], run["changed"], run["removed"], run["embedded"]) == (0, 0, 0, 0)


def test_commands_speak_to_a_running_gateway(tmp_path: Path) -> None:
    with serving(tmp_path) as gateway:
        command(tmp_path, "servers", "add", "ref", "--yes", "--", *REFERENCE)
        listed = command_json(tmp_path, "servers", "list")["servers"]
        assert [(server["server"], server["status"]) for server in listed] == [("ref", "ready")]
        assert gateway.process.poll() is None


def test_a_second_gateway_on_the_same_folder_says_who_owns_it(tmp_path: Path) -> None:
    with serving(tmp_path) as gateway:
        second = command(tmp_path, "serve", "--port", "0")
        assert second.returncode == 1
        assert f"in use by process {gateway.process.pid}" in second.stderr


def test_an_address_that_is_not_loopback_is_refused_with_the_reason(tmp_path: Path) -> None:
    refused = command(tmp_path, "serve", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "no keys and roles yet" in refused.stderr


def test_nobody_at_the_terminal_means_no_consent(tmp_path: Path) -> None:
    refused = command(tmp_path, "servers", "add", "ref", "--", *REFERENCE)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert command_json(tmp_path, "servers", "list") == {"servers": []}


def test_a_command_that_does_not_exist_is_one_clear_sentence(tmp_path: Path) -> None:
    failed = command(tmp_path, "servers", "add", "ghost", "--yes", "--", "no-such-command-anywhere")
    assert failed.returncode == 1
    assert "no-such-command-anywhere" in failed.stdout
    assert "Traceback" not in failed.stderr


def test_a_broken_mcp_json_names_line_and_column(tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    config.write_text('{"mcpServers": {"a": {"command": "x" "args": []}}}')
    failed = command(tmp_path / "data", "servers", "import", str(config), "--yes")
    assert failed.returncode == 1
    assert "line 1" in failed.stderr


def test_a_half_valid_mcp_json_registers_the_good_part(tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    good = {"command": REFERENCE[0], "args": REFERENCE[1:]}
    config.write_text(json.dumps({"mcpServers": {"good": good, "bad": {"args": ["x"]}}}))
    done = command(tmp_path / "data", "servers", "import", str(config), "--yes")
    assert done.returncode == 3
    assert "bad" in done.stderr
    assert [s["server"] for s in command_json(tmp_path / "data", "servers", "list")["servers"]] == ["good"]


def test_a_broken_index_folder_is_built_again_from_the_store(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command(data, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    for path in (data / "index").rglob("*"):
        if path.is_file():
            path.write_bytes(b"garbage")
    found = command_json(data, "search", "echo", "a", "text")
    assert "ref__echo" in [candidate["tool_id"] for candidate in found["results"][0]["candidates"]]


def test_a_wrong_option_is_wrong_usage(tmp_path: Path) -> None:
    assert command(tmp_path, "search").returncode == 2


def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    command(tmp_path, "servers", "add", "ghost", "--yes", "--", "no-such-command-anywhere")
    report = command(tmp_path, "doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(report.stdout)["findings"]}
    assert findings["server ghost"]["verdict"] != "ok"
    assert findings["gateway"]["verdict"] == "ok"
