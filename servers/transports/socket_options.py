"""Options of the sockets to upstream servers."""

from __future__ import annotations

import socket

UNANSWERED_MS = 18_000
"""Also for what was sent and never acknowledged: by itself the system would try for a quarter of an hour."""


def keep_alive() -> list[tuple[int, int, int]]:
    """A peer that vanished without a word is noticed within 15 + 5 seconds where the system can be told so (R5):
    asked after 15, then every second, and given up at 18, since the system's timers are late by up to a second in all.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    wanted = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", UNANSWERED_MS))
    for name, value in wanted:
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
