"""A gateway killed in the middle of its work loses at most the last second of its log, and what is there is whole."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

from tests.e2e.running import command, serving

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]
ANSWERS = 5  # so many are due in the log before the kill
LOST_S = 1.0


def test_what_was_answered_a_second_before_a_kill_is_in_the_log_and_nothing_is_torn(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command(data, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    answered: dict[str, float] = {}
    with serving(data) as gateway:
        while sum(at < time.monotonic() - LOST_S for at in answered.values()) < ANSWERS:
            body = json.dumps({"queries": [f"echo {len(answered)}"], "new_session": True}).encode()
            request = urllib.request.Request(f"{gateway.url}/api/v1/search", body, {"content-type": "application/json"})
            with urllib.request.urlopen(request) as response:
                answered[json.load(response)["step"]] = time.monotonic()
        os.kill(gateway.process.pid, signal.SIGKILL)
        killed = time.monotonic()
        gateway.process.wait(timeout=60)
    with serving(data) as gateway, urllib.request.urlopen(f"{gateway.url}/api/v1/events") as log:
        events = [json.loads(line) for line in log]
    searches = [event for event in events if event["kind"] == "search"]
    kept = {event["id"] for event in searches}
    due = {step for step, at in answered.items() if at < killed - LOST_S}
    assert due
    assert due <= kept
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[0]["seq"] + len(events)))
    assert all(event["body"]["answers"][0]["shown"] and event["parent_id"] for event in searches)
