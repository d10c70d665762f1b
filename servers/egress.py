"""Where addresses may lead that a server tells us: OAuth metadata, and whatever else is derived and not registered.

A name is resolved once, every address it has is checked, and the connection goes to a checked one: between check and
connection nobody can change it (security-and-reliability S7). Refuses to know: OAuth, servers, redirects (it follows
none). The address an operator registers is not guarded; it decides whether private ones are allowed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx2

from domain.errors import UpstreamUnreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Address = IPv4Address | IPv6Address

_GLOBAL_V6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_MAPPED_OLD = ip_network("::/96")  # "IPv4-compatible", deprecated
_PRIVATE = tuple(
    ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
)
"""Loopback, private, shared (CGNAT) and unique local: allowed to a server registered there."""

_NEVER = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
"""Cloud metadata services outside 169.254.0.0/16."""

_LOWEST_FREE_PORT = 1024
_WEB_PORTS = frozenset({80, 443})


class AddressRefused(UpstreamUnreachable):
    """An address that a server named is not one it may lead us to."""


async def resolve_with_system(host: str, port: int) -> Sequence[str]:
    """Every address of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Egress:
    """The rule for one server: public addresses, and with `allow_private` those of the own machine and network."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve_with_system) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    def check_url(self, url: httpx2.URL) -> None:
        """What can be said without looking up a name. Raises AddressRefused."""
        schemes = {"https", "http"} if self._allow_private else {"https"}
        if url.scheme not in schemes:
            raise AddressRefused(f"{_shown(url)!r} is no https address, so it is not followed.")
        if url.userinfo or not url.host:
            raise AddressRefused(f"The address {_shown(url)!r} holds a user name or no host, so it is not followed.")
        if url.port is not None and url.port not in _WEB_PORTS and url.port < _LOWEST_FREE_PORT:
            raise AddressRefused(f"The port of {_shown(url)!r} belongs to another service, so it is not followed.")

    async def address(self, url: httpx2.URL) -> str:
        """A checked address of the URL's host, to connect to. Raises AddressRefused."""
        self.check_url(url)
        try:
            found = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise AddressRefused(f"The host of {_shown(url)!r} has no address.") from error
        for text in found:
            if not is_allowed(ip_address(text), allow_private=self._allow_private):
                raise AddressRefused(
                    f"{_shown(url)!r} leads to {text}, which is no public address; a server on the own network "
                    "has to be registered by its private address to lead there."
                )
        if not found:
            raise AddressRefused(f"The host of {_shown(url)!r} has no address.")
        return found[0]


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends with `inner` to a checked address; Host and TLS name stay those of the URL."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, egress: Egress) -> None:
        self._inner = inner
        self._egress = egress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        address = await self._egress.address(request.url)
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()


def is_allowed(address: Address, *, allow_private: bool) -> bool:
    """Whether a connection may be made there; of an address with another one inside, the inner one counts too."""
    inner = _inner(address)
    if inner is not None:
        return is_allowed(inner, allow_private=allow_private)
    if address in _NEVER:
        return False
    if allow_private and any(address in network for network in _PRIVATE if network.version == address.version):
        return True
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return isinstance(address, IPv4Address) or address in _GLOBAL_V6


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address inside a mapped, 6to4, NAT64 or compatible one."""
    if isinstance(address, IPv4Address):
        return None
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(address.packed[-4:])
    if inner is None and address in _MAPPED_OLD and int(address) > 1:
        inner = IPv4Address(address.packed[-4:])
    return inner


async def leads_inside(url: str, resolve: Resolve = resolve_with_system) -> bool:
    """Whether a registered URL is on the own machine or network; an unknown name is not."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = await resolve(host, parts.port or 443)
        return any(not is_allowed(ip_address(text), allow_private=False) for text in found)
    except (OSError, ValueError):  # ValueError: an address with a zone, a host that is no name
        return False


def is_inside(url: str) -> bool:
    """The same without asking anybody: by the address in the URL, or the name localhost."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_allowed(ipaddress.ip_address(host), allow_private=False)
    except ValueError:
        return False


def _shown(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace').rpartition('@')[2]}{url.path}"
