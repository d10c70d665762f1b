"""The documents of servers follow the catalogue, and an index that took another's place gets all of them."""

from __future__ import annotations

import pytest

from domain.catalogue import CatalogueDiff
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.routing import ServerText
from index.tool_index import ToolIndex
from store.store import Store
from sync.server_documents import ServerDocuments
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


def fresh(store: Store) -> ToolIndex:
    return ToolIndex(HashingEmbedder(), store.vectors, MemoryEngine())


async def listed(store: Store, slug: str, *names: str, title: str | None = None, generation: int = 0) -> None:
    if not generation:
        await store.servers.add(a_server(slug, title=title))
    tools = (a_tool(name, server=slug) for name in names)
    await store.catalogue.apply(TENANT, slug, adding(*tools), expected_generation=generation, at=NOW)


async def hashes(index: ToolIndex, *servers: ServerText) -> bool:
    """Whether the index holds exactly the documents of these servers."""
    wanted = {index.server_point(one.tenant, one.server): one.document.semantic_hash for one in servers}
    return await index.server_digests() == wanted


async def test_what_is_there_at_the_start_and_what_comes_and_goes_later_is_followed(store: Store) -> None:
    await listed(store, "files", "read_file", "write_file", title="Files of this machine")
    index = fresh(store)
    documents = ServerDocuments(store, lambda: index)

    await documents.follow()
    files = ServerText(TENANT, "files", "Files of this machine", ("read_file", "write_file"))
    assert await hashes(index, files)

    await listed(store, "time", "now")
    await listed(store, "files", "move_file", generation=1)
    await documents.follow()
    longer = ServerText(TENANT, "files", "Files of this machine", ("move_file", "read_file", "write_file"))
    assert await hashes(index, longer, ServerText(TENANT, "time", "time", ("now",)))

    await store.catalogue.apply(TENANT, "time", CatalogueDiff(removed=("time__now",)), expected_generation=1, at=NOW)
    await documents.follow()
    assert await hashes(index, longer)


async def test_what_is_level_is_not_embedded_again(store: Store) -> None:
    await listed(store, "files", "read_file")
    index = fresh(store)
    await ServerDocuments(store, lambda: index).follow()
    before = index.counters

    again = ServerDocuments(store, lambda: index)
    await again.follow()
    await again.follow()

    assert index.counters == before


async def test_an_index_that_took_the_place_of_another_is_compared_as_a_whole(store: Store) -> None:
    await listed(store, "files", "read_file")
    serving = [fresh(store)]
    documents = ServerDocuments(store, lambda: serving[-1])
    await documents.follow()
    successor = fresh(store)
    await successor.put_servers([ServerText(TENANT, "gone", "of a server that left", ())])
    serving.append(successor)

    await documents.follow()

    assert await hashes(successor, ServerText(TENANT, "files", "files", ("read_file",)))


async def test_switched_off_it_takes_back_what_was_written(store: Store) -> None:
    await listed(store, "files", "read_file")
    index = fresh(store)
    await ServerDocuments(store, lambda: index).follow()
    off = ServerDocuments(store, lambda: index, is_on=False)
    await off.follow()
    await listed(store, "time", "now")
    await off.follow()
    assert await hashes(index)
