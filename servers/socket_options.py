"""Options of the sockets to upstream servers."""

from __future__ import annotations

import socket


def keep_alive() -> list[tuple[int, int, int]]:
    """A peer that vanished without a word is noticed after 15 + 5 seconds where the system can be told so (R5)."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
