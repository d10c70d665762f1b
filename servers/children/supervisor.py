"""Runs one stdio server as its child and takes every descendant down with the gateway. Started as a script.

    python -I -S supervisor.py LIFELINE STOP_S COMMAND ARG...

It refuses to know MCP: stdin, stdout and stderr are inherited by the child untouched. LIFELINE is the read end of a
pipe whose only writer is the gateway: its end of file means that the gateway asked for the end, or died, even by
SIGKILL. Being a child subreaper (Linux) it also catches grandchildren that left the process group or were daemonised.
Standard library only, and as little of it as possible: one of these runs per stdio server.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
COMMAND_NOT_STARTED = 127
_KILL_S = 2.0
_POLL_S = 0.02


def main(argv: list[str]) -> int:
    lifeline, stop_s, command = int(argv[1]), float(argv[2]), argv[3:]
    os.set_inheritable(lifeline, False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _note)
    child = _start(command)
    _detach_standard_streams()
    status = _wait(child, lifeline, woken)
    _end_descendants(child, stop_s, woken)
    return _exit_code(status)


def _start(command: list[str]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the supervisor died before the line above
            os._exit(COMMAND_NOT_STARTED)
        os.execvp(command[0], command)  # noqa: S606 - argv as the operator wrote it, no shell
    except OSError as error:
        os.write(2, f"cannot start {command[0]!r}: {error.strerror}\n".encode())
    finally:
        os._exit(COMMAND_NOT_STARTED)


def _wait(child: int, lifeline: int, woken: int) -> int | None:
    """The child's wait status once it ended; None when it is to be ended."""
    while True:
        ready, _, _ = select.select([lifeline, woken], [], [])
        if woken in ready and (signal.SIGTERM in (numbers := _drain(woken)) or signal.SIGINT in numbers):
            return None
        ended = _reap()
        if child in ended:
            return ended[child]
        if lifeline in ready:
            return None


def _end_descendants(child: int, stop_s: float, woken: int) -> None:
    """SIGTERM, `stop_s` seconds, then SIGKILL until none is left."""
    for number, seconds in ((signal.SIGTERM, stop_s), (signal.SIGKILL, _KILL_S)):
        give_up = time.monotonic() + seconds
        signalled: set[int] = set()
        while time.monotonic() < give_up:
            _reap()
            living = _descendants(child)
            if not living:
                return
            for pid in living - signalled:
                _kill(pid, number)
            signalled |= living
            select.select([woken], [], [], _POLL_S)
            _drain(woken)


def _descendants(child: int) -> set[int]:
    """Every process below this one. Without /proc (macOS) only the child's process group is known."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - as below
    except OSError:
        return _group(child)
    children: dict[int, list[int]] = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib would double the start time
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    frontier = [os.getpid()]
    while frontier:
        below = children.get(frontier.pop(), [])
        found.update(below)
        frontier.extend(below)
    return found


def _group(child: int) -> set[int]:
    try:
        os.killpg(child, 0)
    except OSError:
        return set()
    return {-child}


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)  # a negative pid is a process group
    except OSError:
        return  # it ended by itself


def _reap() -> dict[int, int]:
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = status


def _drain(fd: int) -> bytes:
    try:
        return os.read(fd, 512)
    except BlockingIOError:
        return b""


def _detach_standard_streams() -> None:
    """So that the server's pipes close when the server does, not when its supervisor does."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _exit_code(status: int | None) -> int:
    if status is None:
        return 0
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _prctl(option: int, argument: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - only Linux pays for it

    ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def _note(_number: int, _frame: object) -> None:
    """The wake-up descriptor carries the signal; there is nothing to do here."""


if __name__ == "__main__":
    sys.exit(main(sys.argv))
