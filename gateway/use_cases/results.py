"""Results too large for whoever asked: kept under a handle, read in pages, gone after a while.

A handle is bound to the verified principal, and ends with the session it was made in. Nothing is cut: the pages
joined are the text. Refuses to know: what a result means (servers/large_results/readable.py), and how it is shown.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import BudgetExceeded, InvalidInput, ResultNotFound, SessionNotFound
from domain.identity import Principal
from domain.sessions import Session
from domain.steady_clock import steady_time
from domain.tokens import BYTES_PER_TOKEN, estimate_tokens
from gateway.use_cases.sessions import Sessions
from servers.large_results.readable import readable, written
from servers.large_results.spool import Span, Spool, SpoolFull
from servers.ports import CallResult

logger = logging.getLogger(__name__)

HANDLE_PREFIX = "r_"
_MEDIA = frozenset({"image", "audio"})  # shown, not read: they are not what fills a context with text
_MOST_KEPT = 32  # handles of one principal
_CONTINUES = 0b10  # the first two bits of a byte within a UTF-8 character


@dataclass(frozen=True, slots=True)
class ResultLimits:
    """How much goes to an agent at once, and how long the rest is kept."""

    inline_bytes: int = 1024 * 1024  # 0: whatever could be parsed goes at once
    page_bytes: int = 64 * 1024
    ttl_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page, counted from 1. `size` is the whole text's, in bytes."""

    handle: str
    number: int
    pages: int
    text: str
    media: str
    size: int
    expires_at: float

    @property
    def facts(self) -> dict[str, Any]:
        """All but the text, as JSON."""
        return {
            "handle": self.handle,
            "bytes": self.size,
            "media": self.media,
            "page": self.number,
            "pages": self.pages,
            "next": self.number + 1 if self.number < self.pages else None,
            "expires_at": self.expires_at,
        }


_NOT_SHOWN = (
    "The call was made, and its result does not fit what the session's budget has left; do not repeat it, "
    "stop, or go on in a session with a larger budget."
)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose a result is, and in which pages."""

    tenant: str
    subject: str
    session_id: str | None
    page_bytes: int


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: _Owner
    text: Span
    media: str
    expires_at: float


class Results:
    """Everything kept by this process. Without a spool nothing is, and large results are the servers' fault."""

    def __init__(self, spool: Spool | None, sessions: Sessions, limits: ResultLimits) -> None:
        self._spool = spool
        self._sessions = sessions
        self._limits = limits
        self._kept: dict[str, _Kept] = {}  # the oldest first

    async def fit(
        self, principal: Principal, session: Session | None, result: CallResult, *, inline: bool
    ) -> tuple[CallResult, Page | None]:
        """The result as it came if it may go so, else its first page. `inline`: a program asked, which bears it all.

        Raises BudgetExceeded when its session has no token left for it.
        """
        most = 0 if inline or self._spool is None else self._limits.inline_bytes
        whole = result.large is None and (not most or _weight(result.raw) <= most)
        wanted = _weight(result.raw) if whole else self._limits.page_bytes
        granted = await self._granted(session, wanted)
        if whole and granted >= wanted:
            return result, None
        session_id = None if session is None else session.id
        kept = _Owner(principal.tenant, principal.subject, session_id, min(granted, self._limits.page_bytes))
        if result.large is not None:
            assert self._spool is not None  # it holds the result
            return await self._first_page(self._spool, kept, result.large, [])
        if self._spool is None:  # so it has no pages
            raise BudgetExceeded(_NOT_SHOWN)
        rest, media = _apart(result.raw)
        try:
            large = await asyncio.to_thread(written, self._spool, rest)
        except SpoolFull as full:
            if granted < wanted:
                raise BudgetExceeded(_NOT_SHOWN) from full
            logger.warning("A large result went to its caller at once, since it could not be kept: %s.", full)
            return result, None
        return await self._first_page(self._spool, kept, large, media)

    async def _granted(self, session: Session | None, wanted: int) -> int:
        """Bytes that the session's budget allows of so many."""
        if session is None or not session.budget:
            return wanted
        tokens = await self._sessions.budgets.grant(session, -(-wanted // BYTES_PER_TOKEN))
        if not tokens and wanted:
            raise BudgetExceeded(_NOT_SHOWN)
        return min(tokens * BYTES_PER_TOKEN, wanted)

    async def read(self, principal: Principal, handle: str, number: int, session_id: str | None = None) -> Page:
        """Raises ResultNotFound, also for a result of somebody else; InvalidInput for a page there is not;
        BudgetExceeded where its session may not be shown it.
        """
        kept = self._kept.get(handle)
        if kept is None or (kept.owner.tenant, kept.owner.subject) != (principal.tenant, principal.subject):
            raise ResultNotFound
        page = self._page(handle, kept, number)
        if kept.owner.session_id is not None:
            if session_id not in {None, kept.owner.session_id}:
                raise ResultNotFound
            try:
                session, _ = await self._sessions.show(principal, kept.owner.session_id)
            except SessionNotFound:
                self._drop(handle)
                raise ResultNotFound from None
            await self._sessions.budgets.afford(session, [estimate_tokens(page.text)])
        return page

    def close(self) -> None:
        """Drop everything."""
        for handle in list(self._kept):
            self._drop(handle)

    async def _first_page(self, spool: Spool, owner: _Owner, large: Span, media: list[Any]) -> tuple[CallResult, Page]:
        found = await asyncio.to_thread(readable, spool, large)
        self._make_room(spool, owner, found.text.size)
        handle = HANDLE_PREFIX + secrets.token_hex(16)
        expires_at = steady_time() + self._limits.ttl_s
        kept = self._kept[handle] = _Kept(owner, found.text, found.media, expires_at)
        asyncio.get_running_loop().call_later(self._limits.ttl_s, self._drop, handle)
        page = self._page(handle, kept, 1)
        content = [{"type": "text", "text": page.text}, *media]
        return CallResult({**found.beside, "content": content, "isError": found.is_error}), page

    def _make_room(self, spool: Spool, owner: _Owner, size: int) -> None:
        """One principal's results take at most half of the spool; its oldest leave first."""
        who = (owner.tenant, owner.subject)
        own = [h for h, kept in self._kept.items() if (kept.owner.tenant, kept.owner.subject) == who]
        used = size + sum(self._kept[handle].text.size for handle in own)
        while own and (used > spool.total_bytes // 2 or len(own) >= _MOST_KEPT):
            used -= self._kept[own[0]].text.size
            self._drop(own.pop(0))

    def _page(self, handle: str, kept: _Kept, number: int) -> Page:
        size, most = kept.text.size, kept.owner.page_bytes
        pages = max(1, -(-size // most))
        if not 1 <= number <= pages:
            raise InvalidInput(f"The result has pages 1 to {pages}, not {number}.")
        with kept.text.file.view() as data:
            whole = memoryview(data)[kept.text.start : kept.text.end]
            try:
                text = bytes(whole[_cut(whole, (number - 1) * most) : _cut(whole, number * most)])
            finally:
                whole.release()
        return Page(handle, number, pages, text.decode("utf-8", "replace"), kept.media, size, kept.expires_at)

    def _drop(self, handle: str) -> None:
        if (kept := self._kept.pop(handle, None)) is not None:
            kept.text.file.drop()


def _cut(text: memoryview, place: int) -> int:
    """The last place up to `place` where a character begins."""
    if place >= len(text):
        return len(text)
    for earlier in range(place, max(place - 4, -1), -1):
        if text[earlier] >> 6 != _CONTINUES:
            return earlier
    return place  # no UTF-8


def _weight(raw: Mapping[str, Any]) -> int:
    """Bytes of what a model reads: texts, and structured content as JSON."""
    structured = raw.get("structuredContent")
    size = 0 if structured is None else _json_size(structured)
    blocks = raw.get("content")
    for block in blocks if isinstance(blocks, list) else ():
        text = block.get("text") if isinstance(block, Mapping) else None
        if isinstance(text, str):
            size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        elif not _is_media(block):
            size += _json_size(block)
    return size


def _json_size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _apart(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The result without its images and sounds, and those."""
    blocks = raw.get("content")
    if not isinstance(blocks, list):
        return dict(raw), []
    return {**raw, "content": [block for block in blocks if not _is_media(block)]}, [*filter(_is_media, blocks)]


def _is_media(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("type") in _MEDIA
