"""Credentials at rest as an operator meets them: rotated under a running gateway, and without their key."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2

from tests.e2e.running import command, command_json, serving
from tests.upstreams.running import ROOT, lasting_reference, stdio_command

CANARY = "canary-0123456789abcdef"


def test_rotation_under_a_running_gateway_fails_no_call_and_leaks_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as gateway, httpx2.Client(base_url=f"{gateway.url}/api/v1", timeout=60) as api:
        new = {
            "name": "up", "transport": "stdio", "command": list(stdio_command("reference")), "cwd": str(ROOT),
            "env": {"TOKEN": CANARY}, "consent": True,
        }  # fmt: skip
        assert api.post("/servers", json=new).status_code == 201
        assert api.post("/servers/up/sync").json()["error"] is None
        answers: list[int] = []
        done = threading.Event()

        def load() -> None:
            with httpx2.Client(base_url=f"{gateway.url}/api/v1", timeout=60) as caller:
                while not done.is_set():
                    call = {"tool": "up__echo", "arguments": {"text": "x"}}
                    answers.append(caller.post("/call", json=call).status_code)
                    answers.append(caller.get("/servers/up").status_code)

        calling = threading.Thread(target=load)
        calling.start()
        rotated = [command_json(tmp_path, "secrets", "rotate") for _ in range(3)]
        done.set()
        calling.join()

        assert rotated == [{"resealed": 1}] * 3
        assert set(answers) == {200}
        assert len(answers) >= 6

    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything


def test_the_most_talkative_log_holds_no_credential(tmp_path: Path) -> None:
    with lasting_reference("streamable-http") as server:
        url = f"{server.launch.url}?key={CANARY}"

        done = command(tmp_path, "--verbose", "servers", "add", "up", "--url", url, "--header", f"X-Key={CANARY}")
        shown = command(tmp_path, "--verbose", "servers", "show", "up")

    assert (done.returncode, shown.returncode) == (0, 0), done.stderr
    for text in (done.stdout, done.stderr, shown.stdout, shown.stderr):
        assert CANARY not in text
    assert " INFO " in done.stderr


def test_without_its_key_every_command_says_so_in_one_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    arguments = ("servers", "add", "up", "--url", "http://127.0.0.1:9/mcp", "--header", f"X-Key={CANARY}")
    assert command(tmp_path, *arguments).returncode in {1, 3}  # registered, though nothing answers there
    key = tmp_path / "secrets.key"
    key.rename(tmp_path / "copy")

    lost = command(tmp_path, "servers", "list")

    assert lost.returncode == 1
    assert lost.stderr.startswith("toolcrib: Credentials in the database are sealed with key ")
    assert len(lost.stderr.strip().splitlines()) == 1
    assert not key.exists()
    (tmp_path / "copy").rename(key)
    assert [server["headers"] for server in command_json(tmp_path, "servers", "list")["servers"]] == [["X-Key"]]
