"""The OAuth client against a real authorization server: a person allows it once, everything else goes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from domain.errors import AuthorizationFailed, AuthorizationNeeded, Forbidden, InvalidInput, UpstreamUnreachable
from domain.servers import ServerStatus, UpstreamServer
from servers.limits import Limits
from servers.oauth.authorizer import Authorizer
from servers.oauth.credential import MemoryCredentials
from servers.pool import ServerPool
from tests.servers.conftest import QUICK
from tests.upstreams.authorization import LIFE_S, READ, WRITE, WRITING_TOOL, ProtectedServer, protected_server

pytestmark = pytest.mark.anyio

GATEWAY = "http://127.0.0.1:8420"
CIMD = "https://example.org/toolcrib/client.json"


@dataclass(slots=True)
class Guarded:
    """A pool with an authorizer, in front of a protected server."""

    upstream: ProtectedServer
    store: MemoryCredentials
    authorizer: Authorizer
    pool: ServerPool

    @property
    def server(self) -> UpstreamServer:
        return self.upstream.server()

    async def echo(self, server: UpstreamServer | None = None) -> str:
        result = await self.pool.call(server or self.server, "echo", {"text": "hello"})
        return str(result.raw["content"][0]["text"])

    async def authorize(self, subject: str = "local") -> None:
        """What a person does, in a browser."""
        url = await self.authorizer.begin(self.server, subject)
        await self.authorizer.complete(subject, "t", await browse(url))


async def browse(url: str) -> dict[str, str]:
    """Open the authorization server's page, allow it, and give back what the callback is sent."""
    async with httpx2.AsyncClient() as browser:
        response = await browser.get(url)
    assert response.status_code == 302, response.text
    location = response.headers["location"]
    assert location.startswith(f"{GATEWAY}/oauth/callback?")
    return dict(parse_qsl(urlsplit(location).query))


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    async with protected_server() as upstream:
        store = MemoryCredentials()
        made = _guarded(upstream, store)
        yield made
        await made.pool.aclose()


def _guarded(upstream: ProtectedServer, store: MemoryCredentials, client_metadata_url: str | None = None) -> Guarded:
    authorizer = Authorizer(store, clock=lambda: upstream.authority.now, client_metadata_url=client_metadata_url)
    authorizer.listens_at(GATEWAY)
    return Guarded(upstream, store, authorizer, ServerPool(Limits(deadlines=QUICK, access=authorizer)))


async def test_the_first_call_says_where_to_authorize_and_the_next_one_works(guarded: Guarded) -> None:
    link = f"{GATEWAY}/oauth/authorize/guarded"

    with pytest.raises(AuthorizationNeeded, match=f"'guarded' needs your authorization: open {link} in a browser"):
        await guarded.echo()

    health = guarded.pool.health("t", "guarded")
    assert (health.status, health.authorize_url) == (ServerStatus.NEEDS_AUTHORIZATION, link)
    await guarded.authorize()
    assert await guarded.echo() == "hello"
    health = guarded.pool.health("t", "guarded")
    assert (health.status, health.authorize_url) == (ServerStatus.READY, None)
    asked = guarded.upstream.authority.asked[-1]
    assert (asked["resource"], asked["scope"], asked["kept"]) == (guarded.upstream.url, READ, "1")


@pytest.mark.parametrize("kind", ["modern", "legacy", "sse"])
async def test_every_http_transport_is_authorized_refreshed_and_refused_alike(kind: str) -> None:
    async with protected_server(kind) as upstream:
        guarded = _guarded(upstream, MemoryCredentials())
        await _authorized(guarded)
        upstream.authority.now += LIFE_S - 30
        assert await guarded.echo() == "hello"
        upstream.authority.access.clear()
        assert await guarded.echo() == "hello"
        assert upstream.authority.refreshes == 2

        upstream.authority.access.clear()
        upstream.authority.refuses_refresh = True
        with pytest.raises(AuthorizationNeeded):
            await guarded.echo()
        assert guarded.pool.health("t", "guarded").status is ServerStatus.NEEDS_AUTHORIZATION
        upstream.authority.refuses_refresh = False
        await guarded.authorize()
        assert await guarded.echo() == "hello"
        await guarded.pool.aclose()


async def test_without_a_gateway_that_listens_people_are_told_to_start_one(guarded: Guarded) -> None:
    guarded.authorizer._address = None

    with pytest.raises(AuthorizationNeeded, match="start `toolcrib serve`, open the link that `toolcrib servers show"):
        await guarded.echo()

    assert guarded.pool.health("t", "guarded").authorize_url == ""


async def test_a_token_is_refreshed_before_it_expires_and_no_call_fails(guarded: Guarded) -> None:
    await _authorized(guarded)
    before = guarded.upstream.unauthorized

    for _ in range(5):
        guarded.upstream.authority.now += LIFE_S - 30  # inside the last minute
        assert await asyncio.gather(*(guarded.echo() for _ in range(10))) == ["hello"] * 10

    assert guarded.upstream.unauthorized == before
    assert guarded.upstream.authority.refreshes == 5


async def test_a_token_revoked_early_is_refreshed_and_the_call_is_sent_once_more(guarded: Guarded) -> None:
    await _authorized(guarded)
    guarded.upstream.authority.access.clear()

    assert await asyncio.gather(*(guarded.echo() for _ in range(10))) == ["hello"] * 10

    assert guarded.upstream.authority.refreshes == 1


async def test_a_revoked_refresh_token_needs_a_person_again(guarded: Guarded) -> None:
    await _authorized(guarded)
    guarded.upstream.authority.refuses_refresh = True
    guarded.upstream.authority.now += LIFE_S + 1

    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()

    assert guarded.pool.health("t", "guarded").status is ServerStatus.NEEDS_AUTHORIZATION
    guarded.upstream.authority.refuses_refresh = False
    await guarded.authorize()
    assert await guarded.echo() == "hello"


async def test_a_silent_authorization_server_costs_no_token(guarded: Guarded) -> None:
    await _authorized(guarded)
    authority = guarded.upstream.authority
    authority.silent = True
    authority.now += LIFE_S - 30
    assert await guarded.echo() == "hello"

    authority.now += 60
    with pytest.raises(AuthorizationFailed, match="answered HTTP 503; try again later"):
        await guarded.echo()

    authority.silent = False
    assert await guarded.echo() == "hello"


async def test_a_caller_that_gives_up_does_not_lose_the_refreshed_token(guarded: Guarded) -> None:
    await _authorized(guarded)
    guarded.upstream.authority.now += LIFE_S - 30
    guarded.upstream.authority.token_asked.clear()
    impatient = asyncio.create_task(guarded.authorizer.bearer(guarded.server))
    await guarded.upstream.authority.token_asked.wait()
    impatient.cancel()

    assert await guarded.echo() == "hello"
    assert guarded.upstream.authority.refreshes == 1


async def test_what_a_restart_finds_in_the_store_serves_on(guarded: Guarded) -> None:
    await _authorized(guarded)
    again = _guarded(guarded.upstream, guarded.store)

    assert await again.echo() == "hello"

    await again.pool.aclose()


async def test_more_scope_is_asked_for_when_a_tool_needs_it_and_what_was_granted_stays(guarded: Guarded) -> None:
    await _authorized(guarded)

    with pytest.raises(AuthorizationNeeded):
        await guarded.pool.call(guarded.server, WRITING_TOOL, {})

    assert await guarded.echo() == "hello"
    await guarded.authorize()
    assert guarded.upstream.authority.asked[-1]["scope"].split() == [READ, WRITE]
    assert not (await guarded.pool.call(guarded.server, WRITING_TOOL, {})).is_error


async def test_a_scope_that_is_never_granted_is_not_asked_for_forever(guarded: Guarded) -> None:
    await _authorized(guarded)
    guarded.upstream.authority.grants_only = READ
    for _ in range(2):
        with pytest.raises(AuthorizationNeeded):
            await guarded.pool.call(guarded.server, WRITING_TOOL, {})
        await guarded.authorize()

    with pytest.raises(AuthorizationFailed, match="asks for the scope 'tools:write' again after 2 authorizations"):
        await guarded.pool.call(guarded.server, WRITING_TOOL, {})


async def test_a_client_is_registered_once_and_anew_at_another_issuer(guarded: Guarded) -> None:
    await _authorized(guarded)
    await guarded.authorizer.forget("t", "guarded")
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()
    for _ in range(3):
        await guarded.authorizer.begin(guarded.server, "local")
    assert len(guarded.upstream.authority.clients) == 2

    async with protected_server() as other:
        guarded.upstream.described["authorization_servers"] = [other.authority.issuer]
        guarded.upstream.authority.now += 1000
        with pytest.raises(AuthorizationNeeded):
            await guarded.echo()
        await guarded.authorizer.begin(guarded.server, "local")

        assert len(other.authority.clients) == 1
    assert len(guarded.upstream.authority.clients) == 2


async def test_a_client_metadata_document_comes_before_registration() -> None:
    async with protected_server() as upstream:
        upstream.authority.said["client_id_metadata_document_supported"] = True
        guarded = _guarded(upstream, MemoryCredentials(), CIMD)
        await _authorized(guarded)

        assert await guarded.echo() == "hello"
        assert upstream.authority.asked[-1]["client_id"] == CIMD
        assert not upstream.authority.clients
        await guarded.pool.aclose()


async def test_a_client_registered_by_hand_is_used_where_no_other_is_taken(guarded: Guarded) -> None:
    authority = guarded.upstream.authority
    authority.said["registration_endpoint"] = None
    known = {"client_id": "by-hand", "client_secret": "s3cret", "redirect_uris": [f"{GATEWAY}/oauth/callback"]}
    authority.clients["by-hand"] = known

    found = await guarded.authorizer.use_client(guarded.server, "by-hand", "s3cret")
    await _authorized(guarded)

    assert found.issuer == authority.issuer
    assert authority.asked[-1]["client_id"] == "by-hand"
    authority.now += LIFE_S - 30
    assert await guarded.echo() == "hello"


async def test_a_client_by_hand_is_refused_where_no_authorization_server_is_named(guarded: Guarded) -> None:
    with pytest.raises(AuthorizationFailed, match="names no authorization server, or has an Authorization header"):
        await guarded.authorizer.use_client(guarded.upstream.server(Authorization="Bearer mine"), "by-hand", None)


async def test_an_authorization_is_finished_once_by_whoever_began_it(guarded: Guarded) -> None:
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()
    answer = await browse(await guarded.authorizer.begin(guarded.server, "alice"))

    for subject, tenant in (("mallory", "t"), ("alice", "other")):
        answer = await browse(await guarded.authorizer.begin(guarded.server, "alice"))
        with pytest.raises(Forbidden):
            await guarded.authorizer.complete(subject, tenant, answer)
        with pytest.raises(InvalidInput):  # and it is used up
            await guarded.authorizer.complete("alice", "t", answer)

    answer = await browse(await guarded.authorizer.begin(guarded.server, "alice"))
    await guarded.authorizer.complete("alice", "t", answer)
    for again in (answer, {}, {"state": "made up", "code": "x"}):
        with pytest.raises(InvalidInput, match="unknown, was finished already, or took too long"):
            await guarded.authorizer.complete("alice", "t", again)


async def test_an_authorization_that_takes_too_long_or_is_denied_is_over(guarded: Guarded) -> None:
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()
    answer = await browse(await guarded.authorizer.begin(guarded.server, "local"))
    guarded.upstream.authority.now += 601
    with pytest.raises(InvalidInput, match="took too long"):
        await guarded.authorizer.complete("local", "t", answer)

    guarded.upstream.authority.denies = True
    with pytest.raises(AuthorizationFailed, match="access_denied"):
        await guarded.authorize()


@pytest.mark.parametrize("iss", [None, "https://evil.example"])
async def test_an_answer_of_another_issuer_is_refused(guarded: Guarded, iss: str | None) -> None:
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()
    answer = await browse(await guarded.authorizer.begin(guarded.server, "local"))
    answer = {name: value for name, value in (answer | {"iss": iss}).items() if value is not None}

    with pytest.raises(AuthorizationFailed, match="the answer came from another issuer"):
        await guarded.authorizer.complete("local", "t", answer)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"authorization_endpoint": "javascript:alert(1)"}, "is not valid in authorization_endpoint"),
        ({"authorization_endpoint": "file:///etc/passwd"}, "is not valid in authorization_endpoint"),
        ({"token_endpoint": "http://user:pw@127.0.0.1/token"}, "holds a user name"),
        ({"token_endpoint": "http://127.0.0.1:22/token"}, "belongs to another service"),
        ({"issuer": "http://127.0.0.1:1"}, "names the issuer .* so it may be an imitation"),
        ({"issuer": None}, "is not valid in issuer"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not offer PKCE with S256"),
        ({"code_challenge_methods_supported": None}, "does not offer PKCE with S256"),
    ],
)
async def test_hostile_authorization_server_metadata_is_a_named_error(
    guarded: Guarded, said: dict[str, str | None], sentence: str
) -> None:
    guarded.upstream.authority.said.update(said)

    with pytest.raises(AuthorizationFailed, match=sentence):
        await guarded.echo()

    assert guarded.pool.health("t", "guarded").status is ServerStatus.FAILED


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        ({"resource": "https://elsewhere.example/mcp"}, "describes the resource 'https://elsewhere.example/mcp', not"),
        ({"resource": "javascript:alert(1)"}, "is not valid in resource"),
        ({"authorization_servers": []}, "is not valid in authorization_servers"),
        ({"authorization_servers": ["http://169.254.169.254/latest"]}, "leads to 169.254.169.254, which is no public"),
        ({"authorization_servers": ["http://127.0.0.1:65535"]}, "does not answer"),
    ],
)
async def test_hostile_resource_metadata_is_a_named_error(
    guarded: Guarded, described: dict[str, object], sentence: str
) -> None:
    guarded.upstream.described.update(described)

    with pytest.raises(AuthorizationFailed, match=sentence):
        await guarded.echo()


async def test_an_authorization_server_that_takes_no_new_clients_is_named(guarded: Guarded) -> None:
    guarded.upstream.authority.said["registration_endpoint"] = None
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()

    with pytest.raises(AuthorizationFailed, match="takes no clients it does not know"):
        await guarded.authorizer.begin(guarded.server, "local")


async def test_a_header_set_by_an_operator_is_never_replaced_by_oauth(guarded: Guarded) -> None:
    server = guarded.upstream.server(Authorization="Bearer mine")

    with pytest.raises(UpstreamUnreachable, match="refused our credentials"):
        await guarded.echo(server)

    assert {headers["authorization"] for headers in guarded.upstream.headers} == {"Bearer mine"}
    assert guarded.pool.health("t", "guarded").status is ServerStatus.FAILED


async def test_tokens_go_to_the_resource_they_were_given_for_and_nowhere_else(guarded: Guarded) -> None:
    await _authorized(guarded)
    async with protected_server() as other:
        moved = replace(guarded.server, launch=other.server().launch)

        with pytest.raises(AuthorizationNeeded):
            await guarded.echo(moved)

        assert not any("authorization" in headers for headers in other.headers)


async def _authorized(guarded: Guarded) -> None:
    with pytest.raises(AuthorizationNeeded):
        await guarded.echo()
    await guarded.authorize()
    assert await guarded.echo() == "hello"
