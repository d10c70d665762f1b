"""What goes wrong, as one exception."""

from __future__ import annotations


class ToolcribError(Exception):
    """`code` is stable and for programs (`session_not_found`, `tool_not_found`, `unreachable` ...); `status` is that of
    HTTP, 0 where none came; `retry_after_s` says when asking again may help.
    """

    def __init__(self, message: str, code: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s
