"""MCP servers as they should not be, over stdio. Standard library only, so that each starts at once.

    python -m tests.upstreams.hostile MODE

It speaks the handshake era, by hand: what it sends is exactly what is written here.
"""

# ruff: noqa: T201 - what a server prints is the point

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

GOOD = {"name": "good", "description": "A proper tool.", "inputSchema": {"type": "object"}}
HALF = {"name": "half", "description": "Half \ud800 a character.", "inputSchema": {"type": "object"}}
ODD = {
    "name": "odd",
    "inputSchema": {"type": "object", "$defs": {"a": {"$anchor": "a"}}, "x-unknown": [1, 2.5, None]},
    "x-vendor-top-level": {"kept": True},
    "_meta": {"com.example/a": 1},
    "icons": [{"src": "data:,", "x-new": 1}],
    "annotations": {"readOnlyHint": "not even a boolean", "later": 1},
    "outputSchema": True,
}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def reply(request: dict[str, Any], result: dict[str, Any]) -> None:
    send({"jsonrpc": "2.0", "id": request["id"], "result": result})


def greet(request: dict[str, Any], capabilities: dict[str, Any] | None = None) -> bool:
    """Answer what begins a session. True when there was nothing else to answer."""
    method = request["method"]
    if method == "initialize":
        reply(
            request,
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}} if capabilities is None else capabilities,
                "serverInfo": {"name": "hostile", "version": "0"},
            },
        )
    elif method == "server/discover":
        send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
    return method in {"initialize", "server/discover"} or "id" not in request


def lists(*tools: object, more: Callable[[dict[str, Any]], str | None] = lambda _request: None) -> None:
    """A session that lists these tools, page after page while `more` names a cursor, and answers any call."""
    for request in requests():
        if greet(request):
            continue
        if request["method"] == "tools/list":
            cursor = more(request)
            reply(request, {"tools": list(tools)} | ({"nextCursor": cursor} if cursor is not None else {}))
        else:
            reply(request, {"content": [{"type": "text", "text": "called"}], "x-result": {"kept": 1}})


def lone_surrogate() -> None:
    """Half of a character in one description: legal as a JSON escape."""
    lists(GOOD, HALF)


def exits() -> None:
    print("loading settings", file=sys.stderr)
    print(f"fatal: no API key, got {os.environ.get('API_TOKEN', 'nothing')}", file=sys.stderr)
    sys.exit(3)


def garbage() -> None:
    print("Welcome to my server! Logging to stdout since 1999.", flush=True)
    for _ in requests():
        print("still not a message", flush=True)


def flood() -> None:
    for number in range(1000):
        print(f"line {number} of a log nobody asked for", flush=True)
    for _ in requests():
        continue


def chatty() -> None:
    """A banner and log lines between proper messages: tolerated."""
    print("Starting server...", flush=True)
    for request in requests():
        print("got a message", flush=True)
        if not greet(request):
            reply(request, {"tools": [GOOD]})


def hangs() -> None:
    for _ in requests():
        continue


def probe_kills() -> None:
    """As servers that insist on `initialize` first do."""
    for number, request in enumerate(requests()):
        if number == 0 and request["method"] != "initialize":
            print("expected initialize", file=sys.stderr)
            sys.exit(1)
        if not greet(request):
            reply(request, {"tools": [GOOD]})


def ignores_probe() -> None:
    for request in requests():
        if request["method"] != "server/discover" and not greet(request):
            reply(request, {"tools": [GOOD]})


def bad_entries() -> None:
    twice = {**GOOD, "description": "The second of that name."}
    no_object = {"name": "no_object", "inputSchema": {"type": "array"}}
    no_schema = {"name": "no_schema", "inputSchema": "a schema, honestly"}
    missing = {"name": "missing"}
    long_name = {"name": "n" * 1000, "inputSchema": {"type": "object"}}
    lists(GOOD, twice, no_object, no_schema, missing, {"inputSchema": {}}, {"name": 7}, "tool", None, long_name, ODD)


def endless() -> None:
    lists(GOOD, more=lambda request: str(int(request.get("params", {}).get("cursor", "0")) + 1))


def circle() -> None:
    lists(GOOD, more=lambda request: "b" if request.get("params", {}).get("cursor") == "a" else "a")


def not_a_list() -> None:
    for request in requests():
        if not greet(request):
            reply(request, {"tools": {"good": GOOD}})


def no_tools() -> None:
    for request in requests():
        if not greet(request, capabilities={"prompts": {}}):
            send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})


def huge_list() -> None:
    lists({**GOOD, "name": "huge", "description": "x" * 3_000_000}, GOOD)


def huge_line() -> None:
    for request in requests():
        if not greet(request):
            sys.stdout.write("x" * 40_000_000)
            sys.stdout.flush()


def dies_in_call() -> None:
    for request in requests():
        if greet(request):
            continue
        if request["method"] == "tools/list":
            reply(request, {"tools": [GOOD]})
        else:
            print("segmentation fault, sort of", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def asks_for_input() -> None:
    for request in requests():
        if greet(request):
            continue
        if request["method"] == "tools/list":
            reply(request, {"tools": [GOOD]})
        else:
            reply(request, {"resultType": "input_required", "inputRequests": {}, "requestState": "s"})


def elicits() -> None:
    """Asks the client in the middle of a call, and says what it was answered."""
    for request in requests():
        if greet(request):
            continue
        if request["method"] == "tools/list":
            reply(request, {"tools": [GOOD]})
            continue
        send(
            {
                "jsonrpc": "2.0",
                "id": "ask",
                "method": "elicitation/create",
                "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}},
            }
        )
        answer = next(requests())
        reply(request, {"content": [{"type": "text", "text": json.dumps(answer["error"])}], "isError": True})


def echoes_secret() -> None:
    for request in requests():
        if not greet(request):
            message = f"cannot log in with {os.environ['API_TOKEN']}"
            send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": message}})


def stderr_flood() -> None:
    for _ in range(1600):
        sys.stderr.write("e" * 65535 + "\n")
    sys.stderr.write("the last line\n")
    sys.stderr.flush()
    lists(GOOD)


def stubborn() -> None:
    """Ignores the end of its stdin and SIGTERM, and has a daemonised grandchild that does the same."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdin=subprocess.DEVNULL)
    with contextlib.suppress(ValueError, StopIteration):
        lists(GOOD)
    time.sleep(600)


MODES: dict[str, Callable[[], None]] = {
    mode.__name__.replace("_", "-"): mode
    for mode in (
        lone_surrogate,
        exits,
        garbage,
        flood,
        chatty,
        hangs,
        probe_kills,
        ignores_probe,
        bad_entries,
        endless,
        circle,
        not_a_list,
        no_tools,
        huge_list,
        huge_line,
        dies_in_call,
        asks_for_input,
        elicits,
        echoes_secret,
        stderr_flood,
        stubborn,
    )
}

if __name__ == "__main__":
    MODES[sys.argv[1]]()
