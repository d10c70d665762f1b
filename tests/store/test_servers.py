"""Registered servers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.catalogue import ChangeKind, SyncRun
from domain.errors import NameTaken, ServerNotFound
from domain.servers import Launch, Sharing, Transport, UpstreamServer
from domain.tools import ToolState
from store.store import Store
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


async def test_a_server_comes_back_as_it_was_registered(store: Store) -> None:
    remote = UpstreamServer(
        TENANT,
        "remote",
        "Ré\N{SNOWMAN}mote",
        Launch(Transport.STREAMABLE_HTTP, url="https://u:p@example.org/mcp?k=v", headers={"Authorization": "Bearer x"}),
        enabled=False,
        trusted=True,
        sharing=Sharing.SESSION,
    )
    local = UpstreamServer(
        TENANT, "local", "local", Launch(Transport.STDIO, command=("run", "a b", ""), cwd="/", env={"A": "1\n2"})
    )

    await store.servers.add(remote)
    await store.servers.add(local)

    assert await store.servers.get(TENANT, "remote") == remote
    assert await store.servers.list(TENANT) == [local, remote]


async def test_a_new_server_was_never_synced_whatever_it_claims(store: Store) -> None:
    await store.servers.add(replace(a_server(), generation=7))

    assert (await store.servers.get(TENANT, "files")).generation == 0


async def test_a_taken_name_is_refused_and_its_holder_untouched(store: Store) -> None:
    await store.servers.add(a_server(title="first"))

    with pytest.raises(NameTaken, match="'files' is registered already"):
        await store.servers.add(a_server(title="second"))

    assert (await store.servers.get(TENANT, "files")).title == "first"


async def test_tenants_do_not_share_names_or_see_each_other(store: Store) -> None:
    await store.servers.add(a_server())
    await store.servers.add(a_server(tenant="other"))

    assert [server.tenant for server in await store.servers.list("other")] == ["other"]
    assert [server.tenant for server in await store.servers.everywhere()] == [TENANT, "other"]
    with pytest.raises(ServerNotFound):
        await store.servers.get("third", "files")


async def test_update_replaces_what_an_operator_sets_and_keeps_the_generation(store: Store) -> None:
    await store.servers.add(a_server())
    await store.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    changed = replace(a_server(title="Files"), enabled=False, trusted=True, sharing=Sharing.SHARED)

    await store.servers.update(changed)

    assert await store.servers.get(TENANT, "files") == replace(changed, generation=1)


async def test_update_and_remove_of_an_unknown_server_say_so(store: Store) -> None:
    with pytest.raises(ServerNotFound, match="'files' is registered; `toolcrib servers list`"):
        await store.servers.update(a_server())
    with pytest.raises(ServerNotFound):
        await store.servers.remove(TENANT, "files")


async def test_removing_a_server_buries_its_tools_and_tells_the_indexes(store: Store) -> None:
    for slug in ("files", "time"):
        await store.servers.add(a_server(slug))
        tool = a_tool("read", server=slug)
        await store.catalogue.apply(TENANT, slug, adding(tool), expected_generation=0, at=NOW)
    await store.runs.add(SyncRun(TENANT, "files", "command", NOW, NOW, 1))
    before = await store.changes.head()

    await store.servers.remove(TENANT, "files")

    changes = await store.changes.after(before, 10)
    assert [(change.tool_id, change.kind) for change in changes] == [("files__read", ChangeKind.DELETE)]
    assert [key.tool_id for key in await store.catalogue.active_keys()] == ["time__read"]
    assert [tool.state for tool in await store.catalogue.known(TENANT, "files")] == [ToolState.REMOVED]
    assert await store.runs.last_success(TENANT) == {}
    with pytest.raises(ServerNotFound):
        await store.servers.get(TENANT, "files")


async def test_secrets_are_kept_apart_from_everything_that_is_shown(store: Store) -> None:
    await store.servers.add(a_server())

    server = await store.servers.get(TENANT, "files")

    assert server.launch.env == {"TOKEN": "hidden"}
    assert "hidden" not in repr(server)
