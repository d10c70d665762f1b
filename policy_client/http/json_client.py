"""JSON in, JSON out, to one address: deadline, byte cap, retries, circuit breaker, bearer key.

Asking a model changes nothing, so a request may be sent again; it is, where the model had no chance to work on it, and
within a budget, so that retries never become a load of their own. Redirects are not followed: the key goes where the
operator sent it.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

import httpx2

from domain.circuit import Circuit
from domain.errors import ModelUnavailable
from policy_client.http.endpoint import Endpoint
from policy_client.http.failures import ModelLate, ModelNonsense, ModelRefused, ModelSilent

RETRIES = 2
"""Of one request."""

SHARE = 0.1
"""Retries per request, over time."""

_RESERVE = 10.0
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_SAID_CHARS = 160
_PASSING = frozenset({429, 502, 503, 504})
_SECRET_STATUS = frozenset({401, 403})


@cache
def _tls() -> ssl.SSLContext:
    """19 ms and 0.8 MB to make: one for all models, and none while every address is http."""
    return httpx2.create_ssl_context()


class JsonClient:
    """One address, for any number of requests at once. `aclose` ends its connections."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        circuit: Circuit | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._circuit = circuit or Circuit()
        self._sleep = sleep
        self._slots = asyncio.Semaphore(endpoint.in_flight)
        self._retries_left = _RESERVE
        self._client: httpx2.AsyncClient | None = None

    async def post(self, url: str, body: Mapping[str, Any], *, deadline_s: float | None = None) -> Any:
        """The decoded answer. Raises ModelSilent, ModelLate, ModelRefused or ModelNonsense."""
        seconds = self.endpoint.deadline_s if deadline_s is None else deadline_s
        payload = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")  # half characters become `?`
        self._admit()
        verdict: ModelUnavailable | None = None
        judged = False
        try:
            async with asyncio.timeout(seconds), self._slots:
                answer = await self._persist(url, payload)
            judged = True
        except TimeoutError:
            verdict = ModelLate(f"The model at {self.endpoint.shown} did not answer within {seconds:g} s.")
            raise verdict from None
        except ModelRefused:
            judged = True  # it is alive
            raise
        except ModelUnavailable as failure:
            verdict = failure
            raise
        finally:
            self._judge(verdict, judged=judged)
        return answer

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    @property
    def last_failure(self) -> str | None:
        """What went wrong, while nothing has gone right since."""
        return self._circuit.last_failure

    def _admit(self) -> None:
        wait_s = self._circuit.admit()
        if wait_s is not None:
            raise ModelSilent(
                f"The model at {self.endpoint.shown} keeps failing and is left alone for a moment. Last failure: "
                f"{self._circuit.last_failure}",
                retry_after_s=wait_s,
            )

    def _judge(self, verdict: ModelUnavailable | None, *, judged: bool) -> None:
        if verdict is not None:
            self._circuit.failed(verdict.message)
        elif judged:
            self._circuit.succeeded()
        else:
            self._circuit.gave_no_verdict()

    async def _persist(self, url: str, payload: bytes) -> Any:
        """Send, and send again what passes."""
        self._retries_left = min(_RESERVE, self._retries_left + SHARE)
        retries = 0
        while True:
            try:
                return await self._send(url, payload)
            except ModelSilent as failure:
                wait = failure.retry_after_s or random.random() * _PAUSE_S * 2.0**retries  # noqa: S311 - jitter
                if retries == RETRIES or self._retries_left < 1 or wait > _LONGEST_PAUSE_S:
                    raise
            retries += 1
            self._retries_left -= 1
            await self._sleep(wait)

    async def _send(self, url: str, payload: bytes) -> Any:
        request = self._connected().build_request("POST", url, content=payload, headers=self._headers())
        try:
            response = await self._connected().send(request, stream=True)
            try:
                content = await self._read(response)
            finally:
                await response.aclose()
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.StreamError) as error:
            reason = str(error) or type(error).__name__
            raise ModelSilent(f"The model at {self.endpoint.shown} does not answer ({self._clean(reason)}).") from None
        except httpx2.DecodingError:
            raise ModelNonsense(f"The model at {self.endpoint.shown} sent a body that cannot be unpacked.") from None
        self._require_success(response, content)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ModelNonsense(f"The model at {self.endpoint.shown} answered something that is not JSON.") from None

    async def _read(self, response: httpx2.Response) -> bytes:
        """The body, unpacked, up to the cap."""
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self.endpoint.cap_bytes:
                raise ModelNonsense(
                    f"The model at {self.endpoint.shown} answered with more than {self.endpoint.cap_bytes:,} bytes."
                )
        return bytes(body)

    def _require_success(self, response: httpx2.Response, content: bytes) -> None:
        status = response.status_code
        if response.is_success:
            return
        where = self.endpoint.shown
        if status in _PASSING:
            raise ModelSilent(f"The model at {where} is not available (HTTP {status}).", retry_after_s=_wait(response))
        if response.is_server_error:
            raise ModelNonsense(f"The model at {where} failed (HTTP {status}{self._said(content)}).")
        if status in _SECRET_STATUS:  # such answers like to repeat the key
            raise ModelRefused(f"The model at {where} does not accept the key (HTTP {status}); set it.", status=status)
        advice = "name its final address" if response.is_redirect else "check the address and the model's name"
        raise ModelRefused(
            f"The model at {where} refused the request (HTTP {status}{self._said(content)}); {advice}.", status=status
        )

    def _said(self, content: bytes) -> str:
        said = self._clean(content.decode("utf-8", "replace"))
        return f": {said}" if said else ""

    def _clean(self, said: str) -> str:
        """One printable line of other people's words, without our key."""
        if self.endpoint.key:
            said = said.replace(self.endpoint.key, "[key]")
        line = " ".join("".join(char if char.isprintable() else " " for char in said).split())
        return line if len(line) <= _SAID_CHARS else f"{line[:_SAID_CHARS]}…"

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.endpoint.key is not None:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        return headers

    def _connected(self) -> httpx2.AsyncClient:
        """Made at the first request: a model that is never asked costs nothing."""
        if self._client is None:
            verify = _tls() if self.endpoint.url.startswith("https:") else False
            limits = httpx2.Limits(max_connections=self.endpoint.in_flight)
            self._client = httpx2.AsyncClient(
                verify=verify, limits=limits, timeout=None, follow_redirects=False, trust_env=False
            )
        return self._client


def _wait(response: httpx2.Response) -> float | None:
    """The seconds of Retry-After, where it names seconds."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else None
