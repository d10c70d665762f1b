"""Credentials at rest: sealed from the start, bound to their place, rotated under load."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import SecretsUnavailable
from domain.servers import Launch, Transport, UpstreamServer
from store.database import Database
from store.json_text import encode
from store.keyring import KEY_FILE, FileKeys, GivenKeys
from store.sealing import Sealer, key_id_of
from store.store import Store
from store.tables import CREDENTIALS, SERVERS
from store.url import database_url
from tests.store.making import TENANT, a_server

pytestmark = pytest.mark.anyio

CANARIES = [f"canary-{number}-{os.urandom(4).hex()}" for number in range(50)]


def with_canaries(number: int, tenant: str = TENANT) -> UpstreamServer:
    """A server whose header, or environment, or URL, is a canary."""
    canary = CANARIES[number]
    launch = [
        Launch(Transport.STDIO, command=("serve",), env={"TOKEN": canary}),
        Launch(Transport.STREAMABLE_HTTP, url="https://example.org/mcp", headers={"Authorization": canary}),
        Launch(Transport.SSE, url=f"https://user:{canary}@example.org/mcp?key={canary}"),
    ][number % 3]
    return UpstreamServer(tenant, f"s{number}", f"s{number}", launch)


def leaked(folder: Path) -> list[str]:
    """Canaries in any file of the folder, also in the pieces that base64 would make of them."""
    everything = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    forms = {canary: (canary.encode(), base64.b64encode(canary.encode())[:-4]) for canary in CANARIES}
    return [canary for canary, written in forms.items() if any(form in everything for form in written)]


async def test_no_credential_is_in_the_database_file_or_its_log(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    for number in range(40):
        await store.servers.add(with_canaries(number))
    for number in range(40, 50):
        await store.credentials.save(TENANT, f"s{number}", {"refresh_token": CANARIES[number]})
    for number in range(0, 40, 5):
        await store.servers.update(with_canaries(number))
    await store.servers.remove(TENANT, "s1")

    while_open = leaked(tmp_path)
    read = await store.servers.get(TENANT, "s2")
    await store.close()

    assert while_open == leaked(tmp_path) == []
    assert read == with_canaries(2)


async def test_credentials_of_an_earlier_version_are_sealed_at_open_and_leave_no_trace(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/toolcrib.db"
    await (await Store.open(url)).close()
    database = Database(database_url(url))
    for number in range(50):
        await database.transaction(_as_an_earlier_version(with_canaries(number)))
    await database.close()
    assert leaked(tmp_path) == CANARIES

    store = await Store.open(url)
    after = leaked(tmp_path)
    servers = {server.slug: server for server in await store.servers.list(TENANT)}
    again = await store.secrets.seal_plain()
    await store.close()

    assert after == []
    assert servers == {f"s{number}": with_canaries(number) for number in range(50)}
    assert again == 0


def _as_an_earlier_version(server: UpstreamServer) -> Callable[[AsyncConnection], Awaitable[object]]:
    launch = server.launch
    row = {
        "tenant": server.tenant, "slug": server.slug, "title": server.title, "transport": launch.transport.value,
        "command": encode(list(launch.command)), "url": launch.url, "enabled": True, "generation": 0,
        "secrets": encode({"env": dict(launch.env), "headers": dict(launch.headers)}),
    }  # fmt: skip
    return lambda connection: connection.execute(insert(SERVERS).values(row))


async def test_the_previous_version_still_reads_the_rows_it_shares(store: Store) -> None:
    await store.servers.add(a_server())

    row = (await store._database.rows(select(SERVERS)))[0]

    assert row.secrets == '{"env":{},"headers":{}}'


async def test_a_row_moved_to_another_tenant_does_not_open(store: Store) -> None:
    mine, theirs = with_canaries(0), with_canaries(3, tenant="other")
    await store.servers.add(mine)
    await store.servers.add(theirs)
    rows = {row.tenant: row.sealed for row in await store._database.rows(select(SERVERS))}
    swap = update(SERVERS).where(SERVERS.c.tenant == TENANT).values(sealed=rows["other"])

    await store._database.transaction(lambda connection: connection.execute(swap))

    with pytest.raises(SecretsUnavailable, match="'s0' cannot be opened: the record was altered, or belongs to"):
        await store.servers.get(TENANT, "s0")
    assert await store.servers.get("other", "s3") == theirs


async def test_oauth_credentials_come_back_and_are_bound_to_their_server(store: Store) -> None:
    await store.credentials.save(TENANT, "files", {"refresh_token": "first"})
    await store.credentials.save(TENANT, "files", {"refresh_token": "second"})
    await store.credentials.save(TENANT, "time", {"refresh_token": "third"})

    assert await store.credentials.load(TENANT, "files") == {"refresh_token": "second"}
    assert await store.credentials.load("other", "files") is None

    move = update(CREDENTIALS).where(CREDENTIALS.c.server == "time").values(server="moved")
    await store._database.transaction(lambda connection: connection.execute(move))
    with pytest.raises(SecretsUnavailable, match="'moved'"):
        await store.credentials.load(TENANT, "moved")
    await store.credentials.forget(TENANT, "files")
    assert await store.credentials.load(TENANT, "files") is None


async def test_removing_a_server_forgets_its_oauth_credentials(store: Store) -> None:
    await store.servers.add(a_server())
    await store.credentials.save(TENANT, "files", {"refresh_token": "x"})

    await store.servers.remove(TENANT, "files")

    assert await store.credentials.load(TENANT, "files") is None


@pytest.fixture
async def sealed_folder(tmp_path: Path) -> Path:
    """A data folder with one server's credentials, closed."""
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    await store.close()
    return tmp_path


@pytest.mark.parametrize("loss", ["missing", "another"])
async def test_a_lost_key_is_one_clear_sentence_and_nothing_is_lost(sealed_folder: Path, loss: str) -> None:
    key, url = sealed_folder / KEY_FILE, f"sqlite:///{sealed_folder}/toolcrib.db"
    saved = key.read_text()
    key.unlink()
    if loss == "another":
        FileKeys(key).newest()

    with pytest.raises(SecretsUnavailable, match=r"sealed with key [0-9a-f]{16}, which the key file .* restore"):
        await Store.open(url)

    assert key.exists() == (loss == "another")
    key.write_text(saved)
    store = await Store.open(url)
    assert await store.servers.get(TENANT, "files") == a_server()
    await store.close()


async def test_a_key_given_by_the_environment_serves_both_databases(store_url: str) -> None:
    keys = GivenKeys(base64.b64encode(b"k" * 32).decode())
    store = await Store.open(store_url, keys)
    await store.servers.add(a_server())
    await store.close()

    again = await Store.open(store_url, keys)

    assert await again.servers.get(TENANT, "files") == a_server()
    await again.close()
    with pytest.raises(SecretsUnavailable, match="TOOLCRIB_SECRETS_KEY does not hold"):
        await Store.open(store_url, GivenKeys(base64.b64encode(b"x" * 32).decode()))


async def test_rotation_under_load_fails_no_read_and_leaves_one_key_in_use(store_url: str, tmp_path: Path) -> None:
    path = tmp_path / "rotating.key"
    mine, theirs = await Store.open(store_url, FileKeys(path)), await Store.open(store_url, FileKeys(path))
    servers = [with_canaries(number) for number in range(30)]
    for server in servers:
        await mine.servers.add(server)
        await mine.credentials.save(TENANT, server.slug, {"token": server.slug})
    reads, done = 0, asyncio.Event()

    async def read(store: Store) -> None:
        nonlocal reads
        while not done.is_set():
            assert sorted(await store.servers.list(TENANT), key=lambda s: s.slug) == sorted(
                servers, key=lambda s: s.slug
            )
            assert await store.credentials.load(TENANT, "s7") == {"token": "s7"}
            reads += 1

    async def write() -> None:
        while not done.is_set():
            await theirs.servers.update(servers[4])
            await asyncio.sleep(0)

    load = [asyncio.create_task(work) for work in (read(mine), read(theirs), write())]
    rotated = [await mine.secrets.rotate() for _ in range(3)]
    done.set()
    await asyncio.gather(*load)
    rotated.append(await mine.secrets.rotate())

    assert min(rotated) >= 58  # a row that is written meanwhile may be sealed anew by its writer
    assert reads >= 3
    newest = FileKeys(path).newest().id
    assert await _keys_in_use(mine) == {newest}
    assert len([line for line in path.read_text().splitlines() if not line.startswith("#")]) == 2
    await mine.close()
    await theirs.close()


async def _keys_in_use(store: Store) -> set[str]:
    rows = [*await store._database.rows(select(SERVERS.c.sealed)), *await store._database.rows(select(CREDENTIALS))]
    return {key_id_of(row.sealed) for row in rows}


@given(value=st.dictionaries(st.text(), st.text()), flipped=st.integers(min_value=0))
async def test_what_is_sealed_opens_only_as_it_was(value: dict[str, str], flipped: int) -> None:
    sealer = Sealer(GivenKeys(base64.b64encode(b"k" * 32).decode()))
    sealed = sealer.seal(value, "launch", "t", "s")

    assert sealer.open(sealed, "launch", "t", "s") == value
    assert sealer.seal(value, "launch", "t", "s") != sealed
    place = flipped % len(sealed)
    altered = sealed[:place] + ("B" if sealed[place] == "A" else "A") + sealed[place + 1 :]
    with pytest.raises(SecretsUnavailable):
        sealer.open(altered, "launch", "t", "s")
    with pytest.raises(SecretsUnavailable):
        sealer.open(sealed, "launch", "t", "other")


async def test_a_row_that_does_not_open_hides_no_other_and_can_be_removed(store: Store) -> None:
    await store.servers.add(with_canaries(0))
    await store.servers.add(with_canaries(1))
    await store.servers.add(with_canaries(2))
    alter = update(SERVERS).where(SERVERS.c.slug != "s1").values(sealed="tc1:altered")
    await store._database.transaction(lambda connection: connection.execute(alter))

    listed = await store.servers.list(TENANT)

    assert listed == await store.servers.everywhere()
    assert [(server.slug, server.enabled, server.unreadable is None) for server in listed] == [
        ("s0", False, False), ("s1", True, True), ("s2", False, False),
    ]  # fmt: skip
    with pytest.raises(SecretsUnavailable):
        await store.servers.update(listed[0])
    await store.servers.remove(TENANT, "s0")
    await store.servers.remove(TENANT, "s2")
    assert await store.servers.list(TENANT) == [with_canaries(1)]
