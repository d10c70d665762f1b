"""Where derived addresses may lead: a table, and a listener on loopback that nothing reaches."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.egress import AddressRefused, Egress, GuardedTransport, is_allowed, is_inside, leads_inside

pytestmark = pytest.mark.anyio

INSIDE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
    "100.127.255.255", "::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
    "2002:c0a8:101::1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "::127.0.0.1",
]  # fmt: skip
"""Loopback and private, in every disguise: for servers that were registered there."""

NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "168.63.129.16",
    "100.100.100.200", "::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1", "64:ff9b:1::1", "2001::1",
    "fd00:ec2::254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::169.254.169.254", "::ffff:0.0.0.0",
    "4000::1", "::169.254.169.254",
]  # fmt: skip
"""Link-local, metadata services, multicast, reserved: for nobody."""

PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.63.255.255", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", INSIDE)
def test_private_addresses_are_for_servers_registered_there(text: str) -> None:
    assert not is_allowed(ip_address(text), allow_private=False)
    assert is_allowed(ip_address(text), allow_private=True)


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_for_nobody(text: str) -> None:
    assert not is_allowed(ip_address(text), allow_private=False)
    assert not is_allowed(ip_address(text), allow_private=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_for_everybody(text: str) -> None:
    assert is_allowed(ip_address(text), allow_private=False)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself(inner: object) -> None:
    number = int(inner)  # type: ignore[call-overload]  # hypothesis names no type for addresses
    disguises = [ip_address((0xFFFF << 32) | number), ip_address((0x64FF9B << 96) | number)]
    disguises.append(ip_address((0x2002 << 112) | (number << 80)))

    allowed = is_allowed(ip_address(number), allow_private=False)

    assert [is_allowed(address, allow_private=False) for address in disguises] == [allowed] * 3


HOSTILE = [
    "https://127.0.0.1:{port}/", "https://2130706433:{port}/", "https://0x7f000001:{port}/", "https://0177.0.0.1:{port}/",
    "https://127.1:{port}/", "https://0:{port}/", "https://localhost:{port}/", "https://localhost.:{port}/",
    "https://LOCALHOST:{port}/", "https://[::1]:{port}/", "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/", "https://[2002:7f00:1::]:{port}/", "https://[64:ff9b::7f00:1]:{port}/",
    "https://user@127.0.0.1:{port}/", "https://good.example@127.0.0.1:{port}/", "http://127.0.0.1:{port}/",
    "http://good.example:{port}/", "https://127.0.0.1.:{port}/", "https://rebinding.example:{port}/",
    "https://mixed.example:{port}/", "https://nowhere.example:{port}/", "https://169.254.169.254/latest/meta-data",
    "https://[fe80::1%25lo]:{port}/", "ftp://good.example/", "https://good.example:22/", "https://good.example:6/",
]  # fmt: skip

NAMES = {
    "good.example": ["1.1.1.1"],
    "rebinding.example": ["127.0.0.1"],
    "mixed.example": ["1.1.1.1", "127.0.0.1"],
    "nowhere.example": [],
}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Names of the table, and what the system makes of literal and odd forms."""
    if host in NAMES:
        return NAMES[host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def test_no_hostile_address_reaches_a_listener_on_loopback() -> None:
    connections = 0

    def count(_reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    listener = await asyncio.start_server(count, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    transport = GuardedTransport(httpx2.AsyncHTTPTransport(), Egress(allow_private=False, resolve=resolve))
    async with listener, httpx2.AsyncClient(transport=transport) as client:
        for url in HOSTILE:
            with pytest.raises((AddressRefused, httpx2.InvalidURL)):
                await client.get(url.format(port=port))

        allowed = GuardedTransport(httpx2.AsyncHTTPTransport(), Egress(allow_private=True, resolve=resolve))
        async with httpx2.AsyncClient(transport=allowed) as private:
            with pytest.raises(httpx2.RemoteProtocolError):
                await private.get(f"http://127.0.0.1:{port}/")

    assert connections == 1  # the allowed one: the listener counts


async def test_the_checked_address_is_the_one_connected_to_and_the_name_stays(httpx_seen: list[httpx2.Request]) -> None:
    answers = iter([["1.1.1.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        httpx_seen.append(request)
        return httpx2.Response(302, headers={"location": "https://127.0.0.1/"})

    egress = Egress(allow_private=False, resolve=rebinding)
    async with httpx2.AsyncClient(transport=GuardedTransport(httpx2.MockTransport(answer), egress)) as client:
        response = await client.get("https://auth.example/x?y=1")
        with pytest.raises(AddressRefused, match=r"'https://auth\.example/x' leads to 127\.0\.0\.1"):
            await client.get("https://auth.example/x?y=1")

    sent = httpx_seen[0]
    assert (str(sent.url), sent.headers["host"]) == ("https://1.1.1.1/x?y=1", "auth.example")
    assert sent.extensions["sni_hostname"] == "auth.example"
    assert response.status_code == 302  # told, not followed


@pytest.fixture
def httpx_seen() -> list[httpx2.Request]:
    return []


async def test_what_an_operator_registers_decides_whether_private_addresses_are_allowed() -> None:
    async def named(host: str, _port: int) -> Sequence[str]:
        found = {"wiki.corp": ["10.1.2.3"], "public.example": ["1.1.1.1"], "zone.example": ["fe80::1%eth0"]}
        if host not in found:
            raise socket.gaierror
        return found[host]

    urls = ["https://wiki.corp/mcp", "https://public.example/mcp", "https://unknown.example/", "https://zone.example/"]
    assert [await leads_inside(url, named) for url in urls] == [True, False, False, True]
    literal = ["http://localhost:1/mcp", "http://a.localhost./", "http://[::1]/", "http://10.0.0.1/", "http://1.1.1.1/"]
    assert [is_inside(url) for url in literal] == [True, True, True, True, False]
