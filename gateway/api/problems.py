"""Errors as problem details (RFC 9457), for every route and every failure."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from domain.errors import ToolcribError, ToolRemoved, UpstreamRefused

logger = logging.getLogger(__name__)

_MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """One problem document. `code` is stable and for programs, `detail` is a sentence for people."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail}
    headers = {}
    if (retry := more.get("retry_after_s")) is not None:
        headers["Retry-After"] = str(max(1, round(retry)))
    extra = {key: value for key, value in more.items() if value is not None}
    return JSONResponse({**body, **extra}, status, headers, _MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ToolcribError, _on_toolcrib_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_toolcrib_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ToolcribError)
    more: dict[str, Any] = {"retry_after_s": error.retry_after_s}
    if isinstance(error, ToolRemoved):
        more["successor"] = error.successor
    if isinstance(error, UpstreamRefused):
        more |= {"rpc_code": error.rpc_code, "rpc_data": error.data}
    return problem(error.http_status, error.code, error.message, **more)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return problem(422, "invalid_input", f"The request is not valid: {where}: {first['msg']}.")


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return problem(error.status_code, code, str(error.detail))


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    route = getattr(request.scope.get("route"), "path", "an unknown route")  # not the path: it may hold a handle
    logger.error("Unexpected error in %s %s", request.method, route, exc_info=error)
    return problem(500, ToolcribError.code, ToolcribError().message)
