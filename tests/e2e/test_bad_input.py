"""What goes wrong at the terminal without a running gateway: one sentence each, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.running import TOOLCRIB, command, command_json, environment, serving

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad-input")
    added = command(folder, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    assert added.returncode == 0, added.stderr
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["search", "x", "--k", "0"], 2, "Invalid value for '--k'"),
        (["search", "x", "--k", "10000"], 2, "Invalid value for '--k'"),
        (["search", ""], 1, "A query is empty"),
        (["search", "x", "--profile", "nope"], 1, "No search profile is called 'nope'"),
        (["search", "x", "--session", "s_nope"], 1, "The session is unknown"),
        (["call", "ref__ecco"], 1, "did you mean ref__echo"),
        (["call", "ref__echo", "--arguments", "{"], 2, "it is no JSON"),
        (["servers", "remove", "ref?x"], 1, "No server"),
        (["servers", "show", ""], 1, "'' is no name"),
        (["sync", "ghost"], 1, "ghost"),
        (["eval", "retrieval", "--dataset", "no-such-folder"], 1, "no-such-folder"),
        (["serve", "--port", "99999"], 2, "Invalid value for '--port'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(data: Path, arguments: list[str], code: int, said: str) -> None:
    done = command(data, *arguments)
    assert done.returncode == code, done.stderr
    assert said in " ".join((done.stderr + done.stdout).split())
    assert "Traceback" not in done.stderr


def test_bytes_that_are_no_text_are_refused(data: Path) -> None:
    done = subprocess.run(
        [*TOOLCRIB, "search", b"\xff"], capture_output=True, check=False, env=environment(data=str(data)), timeout=120
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_nothing_was_removed_by_a_name_that_is_none(data: Path) -> None:
    assert [server["server"] for server in command_json(data, "servers", "list")["servers"]] == ["ref"]


def test_a_terminated_gateway_closes_everything_it_opened(data: Path) -> None:
    with serving(data) as gateway:
        children = gateway.children()
        for number in range(5):
            body = json.dumps({"queries": [f"echo {number}"]}).encode()
            request = urllib.request.Request(f"{gateway.url}/api/v1/search", body, {"content-type": "application/json"})
            urllib.request.urlopen(request).close()
        os.kill(gateway.process.pid, signal.SIGTERM)
        assert gateway.process.wait(timeout=60) == 0
    assert not (data / "gateway.json").exists()
    assert not any(child.is_running() for child in children)
    with serving(data) as gateway, urllib.request.urlopen(f"{gateway.url}/api/v1/events") as log:
        asked = [event["body"]["answers"][0]["query"] for event in map(json.loads, log) if event["kind"] == "search"]
    assert [f"echo {number}" for number in range(5)] == asked[-5:]
