"""The stdio transport: an upstream server as a child process of ours.

It refuses to know sessions, tools and deadlines: it moves JSON-RPC lines. The SDK's own stdio client is not used: it
inherits environment, reads lines of any length and loses a child that ignores the end of its stdin (protocol 1.3).
Every child runs under `servers/children/supervisor.py`, which ends it and its descendants whatever ends us.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from domain.errors import UpstreamProtocolError, UpstreamUnreachable
from domain.servers import UpstreamServer
from servers.failures import message_too_large
from servers.large_results.oversized import stand_in
from servers.large_results.spool import SpoolFile, SpoolFull
from servers.limits import KIB, Limits
from servers.transports.wire import TransportStreams, WireNotes

_Inbound = anyio.abc.ObjectSendStream[SessionMessage | Exception]

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM")
"""All that a child gets of our environment; what else it needs is configured with it."""

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
_CHUNK = 64 * KIB
_GARBAGE_LINES = 200  # a server that prints this much before its first message does not speak the protocol
_END_S = 4.0  # the supervisor's SIGTERM and SIGKILL rounds, and a little more


def child_environment(configured: Mapping[str, str]) -> dict[str, str]:
    """A child's whole environment: the few inherited names, then what was configured for it."""
    inherited = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
    inherited.setdefault("PATH", DEFAULT_PATH)
    return inherited | dict(configured)


def resolve_command(server: UpstreamServer, environment: Mapping[str, str]) -> str:
    """The executable's path. Raises UpstreamUnreachable when there is none."""
    name = server.launch.command[0]
    if server.launch.cwd is not None and not Path(server.launch.cwd).is_dir():
        raise UpstreamUnreachable(
            f"Server {server.slug!r} cannot start: its working folder {server.launch.cwd!r} does not exist; "
            "create it or change the server's settings."
        )
    if os.sep in name:
        path = Path(server.launch.cwd or ".", name)
        found = str(path.absolute()) if os.access(path, os.X_OK) and path.is_file() else None
    else:
        found = shutil.which(name, path=environment.get("PATH", DEFAULT_PATH))
    if found is None:
        raise UpstreamUnreachable(
            f"Server {server.slug!r} cannot start: the command {name!r} was not found; "
            "install it or correct the server's command."
        )
    return found


@asynccontextmanager
async def stdio_streams(server: UpstreamServer, limits: Limits, notes: WireNotes) -> AsyncIterator[TransportStreams]:
    """Start the child and yield its message streams. On exit the child and its descendants are gone.

    Raises UpstreamUnreachable when it cannot be started.
    """
    process, lifeline = await _start(server, limits)
    inbound, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outbound = anyio.create_memory_object_stream[SessionMessage](0)
    reader = _LineReader(server, limits, notes)
    # A child blocked on a full pipe cannot end: both pipes are read until it has, whoever is cancelled meanwhile.
    reading = anyio.CancelScope(shield=True), anyio.CancelScope(shield=True)
    try:
        async with anyio.create_task_group() as pumps:
            pumps.start_soon(_within, reading[0], _pump_stderr(process, notes))
            pumps.start_soon(_within, reading[1], reader.pump(process, inbound))
            pumps.start_soon(_pump_stdin, process, outbound)
            try:
                yield read, write
            finally:
                with anyio.CancelScope(shield=True):
                    write.close()
                    read.close()
                    await _stop(process, lifeline, limits.deadlines.stop_s)
                    notes.exit_code = process.returncode
                for scope in (*reading, pumps.cancel_scope):
                    scope.cancel()
    finally:
        for stream in (inbound, read, write, outbound):
            stream.close()


async def _within(scope: anyio.CancelScope, work: Coroutine[Any, Any, None]) -> None:
    with scope:
        await work


async def _start(server: UpstreamServer, limits: Limits) -> tuple[Process, int]:
    """The supervisor process, and the lifeline's write end, ours alone."""
    environment = child_environment(server.launch.env)
    command = resolve_command(server, environment)
    interpreter = (sys.executable, "-I", "-S", _SUPERVISOR)
    with contextlib.ExitStack() as undo:
        held, lifeline = os.pipe()
        undo.callback(os.close, lifeline)
        try:
            process = await asyncio.create_subprocess_exec(
                *interpreter,
                str(held),
                str(limits.deadlines.stop_s / 2),
                command,
                *server.launch.command[1:],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=environment,
                cwd=server.launch.cwd,
                pass_fds=(held,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise UpstreamUnreachable(
                f"Server {server.slug!r} cannot start ({error}); check its command, environment and working folder."
            ) from error
        finally:
            os.close(held)
        undo.pop_all()
    return process, lifeline


async def _stop(process: Process, lifeline: int, stop_s: float) -> None:
    """Close stdin, wait, then let the supervisor end what is left; every wait is bounded."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        if not await _ended(process, stop_s):
            os.close(lifeline)
            lifeline = -1
            if not await _ended(process, _END_S + stop_s / 2):
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await _ended(process, 1.0)
    finally:
        if lifeline >= 0:
            os.close(lifeline)


async def _ended(process: Process, seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        await process.wait()
    return process.returncode is not None


async def _pump_stderr(process: Process, notes: WireNotes) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(_CHUNK):
        notes.stderr.write(chunk)


async def _pump_stdin(process: Process, outbound: anyio.abc.ObjectReceiveStream[SessionMessage]) -> None:
    """Ends quietly when the child is gone: the reader sees the end of stdout and says so."""
    assert process.stdin is not None
    try:
        async for item in outbound:
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()
    except (ConnectionError, RuntimeError):  # uvloop raises RuntimeError for a closed pipe
        return


class _LineReader:
    """Lines of a child's stdout, each at most `message_bytes`; what is no message is noted and skipped."""

    def __init__(self, server: UpstreamServer, limits: Limits, notes: WireNotes) -> None:
        self._server = server
        self._limits = limits
        self._cap = limits.caps.message_bytes
        self._notes = notes
        self._messages = 0

    async def pump(self, process: Process, inbound: _Inbound) -> None:
        """Until the end of stdout, or of our interest in it; then the read stream ends, and waiters wake."""
        assert process.stdout is not None
        buffer = bytearray()
        async with inbound:
            while chunk := await process.stdout.read(_CHUNK):
                buffer += chunk
                if b"\n" in chunk:
                    buffer = await self._deliver_lines(buffer, inbound)
                while len(buffer) > self._cap and self._notes.fault is None:
                    rest = await self._put_aside(bytes(buffer), process.stdout, inbound)
                    buffer = await self._deliver_lines(rest, inbound)
                if self._notes.fault is not None:
                    break
            else:
                with anyio.move_on_after(0.5):  # the exit code makes the better sentence; it follows at once
                    await process.wait()
                self._notes.exit_code = process.returncode
        while await process.stdout.read(_CHUNK):
            """A child that still writes must not block on a full pipe while it is asked to end."""

    async def _deliver_lines(self, buffer: bytearray, inbound: _Inbound) -> bytearray:
        """Every whole line of `buffer`; what is left of it."""
        *lines, rest = buffer.split(b"\n")
        for line in lines:
            if not await self._deliver(bytes(line), inbound):
                break
        return rest

    async def _put_aside(self, start: bytes, stdout: asyncio.StreamReader, inbound: _Inbound) -> bytearray:
        """A line over the cap, which begins with `start`, goes into the spool; what follows it, or a fault."""
        spool = self._limits.spool
        reply, rest = None, b""
        if spool is not None:
            try:
                file = spool.begin()
                file.write(start)
                rest = await _rest_of_line(file, stdout)
                reply = await stand_in(spool, file)
            except SpoolFull as full:
                self._notes.fail(message_too_large(self._server, self._cap, str(full)))
        if reply is None:
            self._notes.fail(message_too_large(self._server, self._cap))
        else:
            self._messages += 1
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await inbound.send(SessionMessage(jsonrpc_message_adapter.validate_python(reply, by_name=False)))
        return bytearray(rest)

    async def _deliver(self, line: bytes, inbound: _Inbound) -> bool:
        if not line.strip():
            return True
        try:
            message = _message(line)
        except (ValueError, RecursionError):
            return self._garbage(line)
        self._messages += 1
        try:
            await inbound.send(SessionMessage(message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return False
        return True

    def _garbage(self, line: bytes) -> bool:
        self._notes.note_garbage(line)
        if self._messages or self._notes.garbage_lines < _GARBAGE_LINES:
            return True
        self._fault(f"prints text instead of messages on its standard output, such as {self._notes.garbage!r}")
        return False

    def _fault(self, what: str) -> None:
        sentence = f"Server {self._server.slug!r} {what}; check that its command starts an MCP server in stdio mode."
        self._notes.fail(UpstreamProtocolError(sentence))


async def _rest_of_line(file: SpoolFile, stdout: asyncio.StreamReader) -> bytes:
    """Move a line's rest into `file`; what was read beyond its end. A child's end is a line's too."""
    done = False
    try:
        while chunk := await stdout.read(_CHUNK):
            line, end, rest = chunk.partition(b"\n")
            file.write(line)
            if end:
                done = True
                return rest
        done = True
        return b""
    finally:
        if not done:
            file.drop()


def _message(line: bytes) -> JSONRPCMessage:
    """Raises ValueError, or RecursionError, for what is no message."""
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        if b"\\u" not in line:
            raise
        # The SDK's parser refuses a lone surrogate, legal in JSON escapes; one tool's must not cost the others.
        return jsonrpc_message_adapter.validate_python(json.loads(line), by_name=False)
