"""The error tree. Every failure that can reach a person or an agent is one of these.

Grouped by what the caller can do next; the class docstring is the default message.

    ToolcribError
    ├── InvalidInput                 change the request
    │   └── InvalidTool              an upstream offered a tool that is no tool
    ├── NotFound                     name something that exists
    │   ├── ServerNotFound
    │   ├── ToolNotFound
    │   │   └── ToolRemoved
    │   ├── ReviewNotFound
    │   ├── SessionNotFound
    │   ├── StepNotFound
    │   └── ResultNotFound
    ├── Conflict                     look at the present state, then decide
    │   ├── NameTaken
    │   ├── DataFolderInUse
    │   ├── ToolChanged
    │   └── PolicyRefused           show that it is better, or keep it in the shadow
    ├── Forbidden                    ask an admin
    │   └── BudgetExceeded           stop, or ask for a larger budget
    ├── UpstreamError                the upstream server's fault; others are not affected
    │   ├── UpstreamUnreachable
    │   ├── UpstreamTimeout
    │   ├── UpstreamProtocolError
    │   ├── AuthorizationNeeded     a person must allow it first
    │   ├── AuthorizationFailed
    │   └── UpstreamRefused
    └── Unavailable                  try again later, or make room
        ├── Overloaded
        ├── StorageFull
        ├── StoreUnavailable
        ├── SecretsUnavailable
        ├── IndexUnavailable
        │   └── IndexSelfTestFailed
        ├── EmbedderUnavailable
        └── ModelUnavailable         an LLM or reranker: a stage is left out, the answer says so
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class ToolcribError(Exception):
    """Something went wrong inside Toolcrib; the log has the details."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        self.message = message or inspect.cleandoc(type(self).__doc__ or type(self).__name__)
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class InvalidInput(ToolcribError):
    """The request is not valid; change it and try again."""

    code = "invalid_input"
    http_status = 422


class InvalidTool(InvalidInput):
    """The upstream offered something that is not a tool; it was left out, the others were kept."""

    code = "invalid_tool"


class NotFound(ToolcribError):
    """There is no such thing here."""

    code = "not_found"
    http_status = 404


class ServerNotFound(NotFound):
    """No server of that name is registered; `toolcrib servers list` shows the ones that are."""

    code = "server_not_found"


class ToolNotFound(NotFound):
    """No tool of that name is in the catalogue; search again and use a name from the answer."""

    code = "tool_not_found"


class ToolRemoved(ToolNotFound):
    """The tool was removed by its server; search again for a successor."""

    code = "tool_removed"
    http_status = 410

    def __init__(
        self, message: str | None = None, *, successor: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.successor = successor


class ReviewNotFound(NotFound):
    """Nothing of that id waits for a review: it was decided, or its server changed the tool again; look anew."""

    code = "review_not_found"


class SessionNotFound(NotFound):
    """The session is unknown, expired or not yours; search without a session to get a new one."""

    code = "session_not_found"


class StepNotFound(NotFound):
    """No such step is in this session's log; name the `step` that a search or a call of it gave, or none."""

    code = "step_not_found"


class ResultNotFound(NotFound):
    """No such result is kept: it expired, made room, or is not yours; call the tool again."""

    code = "result_not_found"


class Conflict(ToolcribError):
    """The request does not fit the present state."""

    code = "conflict"
    http_status = 409


class NameTaken(Conflict):
    """That name is taken; choose another one or remove its present holder first."""

    code = "name_taken"


class DataFolderInUse(Conflict):
    """Another process owns this data folder; stop it, or name another folder with --data."""

    code = "data_folder_in_use"


class ToolChanged(Conflict):
    """The tool changed since it was found; search again to see its present form."""

    code = "tool_changed"


class PolicyRefused(Conflict):
    """The policy may not decide here; the sentence says what it lacks."""

    code = "policy_refused"


class Forbidden(ToolcribError):
    """You may not do that here."""

    code = "forbidden"
    http_status = 403


class BudgetExceeded(Forbidden):
    """The session's budget does not allow that; stop, or go on in a session with a larger budget."""

    code = "budget_exceeded"


class UpstreamError(ToolcribError):
    """The upstream server failed; tools of other servers are not affected."""

    code = "upstream_error"
    http_status = 502


class UpstreamUnreachable(UpstreamError):
    """The upstream server cannot be reached; check its address or command, then sync it again."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """The upstream server did not answer in time."""

    code = "upstream_timeout"
    http_status = 504


class UpstreamProtocolError(UpstreamError):
    """The upstream server answered with something that is not the Model Context Protocol."""

    code = "upstream_protocol_error"


class AuthorizationNeeded(UpstreamError):
    """The upstream server needs a person's authorization; `toolcrib servers show` has the link."""

    code = "authorization_needed"
    http_status = 424


class AuthorizationFailed(UpstreamError):
    """The authorization at the upstream's authorization server failed; start it again."""

    code = "authorization_failed"


class UpstreamRefused(UpstreamError):
    """The upstream server answered the request with a protocol error of its own."""

    code = "upstream_refused"

    def __init__(self, message: str | None = None, *, rpc_code: int, data: object = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.data = data


class Unavailable(ToolcribError):
    """A part of Toolcrib cannot serve at the moment; try again shortly."""

    code = "unavailable"
    http_status = 503


class Overloaded(Unavailable):
    """Too many requests are waiting; try again after the time given."""

    code = "overloaded"
    http_status = 429


class StorageFull(Unavailable):
    """The disk is nearly full, so nothing more is written; free some space, reading goes on."""

    code = "storage_full"
    http_status = 507


class StoreUnavailable(Unavailable):
    """The record database cannot be reached; check its URL and that it runs."""

    code = "store_unavailable"


class SecretsUnavailable(Unavailable):
    """The credentials in the database cannot be opened; restore their key and start again."""

    code = "secrets_unavailable"


class IndexUnavailable(Unavailable):
    """The vector index cannot be used; it is a copy and can be rebuilt from the store."""

    code = "index_unavailable"


class IndexSelfTestFailed(IndexUnavailable):
    """What was written to the index cannot be found in it, so it was not taken for written."""

    code = "index_self_test_failed"

    def __init__(
        self,
        message: str | None = None,
        *,
        servers: frozenset[tuple[str, str]] = frozenset(),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.servers = servers  # tenant and slug of those whose tools it is about


class EmbedderUnavailable(Unavailable):
    """The embedding model cannot be used; lexical search goes on without it."""

    code = "embedder_unavailable"


class ModelUnavailable(Unavailable):
    """A model that was asked does not answer; what can be done without it goes on."""

    code = "model_unavailable"
