"""Where a model is asked, with which key and within which limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from domain.errors import InvalidInput

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that the operator set; nothing that a model says leads anywhere else. The key is never shown."""

    url: str = field(repr=False)  # a query may hold a key: `shown` is for people
    model: str = ""
    key: str | None = field(default=None, repr=False)
    deadline_s: float = 30.0  # waiting, retries and the answer's last byte included
    cap_bytes: int = 4 * MIB  # 32 vectors of 4,096 numbers take 3; parsing more would hold up everybody
    in_flight: int = 8

    def __post_init__(self) -> None:
        """Raises InvalidInput for an address that is none, or that holds a user name or password."""
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable, parts = False, urlsplit("")
        if not usable:
            raise InvalidInput("A model's address is no http or https URL; write it like http://127.0.0.1:8000/v1.")
        if parts.username is not None or parts.password is not None:
            raise InvalidInput(
                f"The model's address at {parts.hostname} holds a user name or password; set the model's key instead."
            )
        if self.key is not None and not (self.key.isascii() and self.key.isprintable() and self.key.strip()):
            raise InvalidInput(f"The key of {self.shown} holds characters that no header can carry; set it again.")

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_open(self) -> bool:
        """Whether the key would travel unencrypted to another machine."""
        parts = urlsplit(self.url)
        local = parts.hostname in {"localhost", "::1"} or (parts.hostname or "").startswith("127.")
        return self.key is not None and parts.scheme == "http" and not local

    def at(self, route: str, *, version: str = "") -> str:
        """The URL of a route such as `/rerank`, whether the operator wrote the host, its base path or the route.

        >>> Endpoint("http://host").at("/chat/completions", version="/v1")
        'http://host/v1/chat/completions'
        >>> Endpoint("http://host/v2/rerank?a=b").at("/rerank")
        'http://host/v2/rerank?a=b'
        """
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/")
        if not base.endswith(route):
            base = f"{base or version}{route}"
        return urlunsplit((parts.scheme, parts.netloc, base, parts.query, ""))
