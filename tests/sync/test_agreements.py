"""What is listed as it was before is not compared again, and whatever else is different is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.catalogue import CatalogueDiff
from domain.servers import ReviewPolicy, UpstreamServer
from store.store import Store
from sync.agreements import Agreements
from sync.fakes import FakeListing
from tests.store.making import TENANT, a_document, a_server
from tests.sync.test_engine import House

pytestmark = pytest.mark.anyio

LISTING = FakeListing((a_document("a"), a_document("b")), digest="1")
SERVER = replace(a_server(), generation=3)


def agreed(server: UpstreamServer = SERVER, changes: CatalogueDiff | None = None) -> Agreements:
    found = Agreements()
    found.note(server, 3, LISTING, changes or CatalogueDiff(unchanged=2))
    return found


def test_the_same_listing_of_the_same_server_changes_nothing() -> None:
    assert agreed().unchanged(SERVER, LISTING) == CatalogueDiff(unchanged=2)
    assert agreed(replace(SERVER, generation=2)).unchanged(SERVER, LISTING) == CatalogueDiff(unchanged=2)


@pytest.mark.parametrize(
    "other",
    [
        replace(SERVER, generation=4),
        replace(SERVER, title="Another"),
        replace(SERVER, held=1),
        replace(SERVER, review=ReviewPolicy.HOLD),
        replace(SERVER, slug="other"),
        replace(SERVER, tenant="other"),
    ],
)
def test_another_state_of_the_server_is_compared(other: UpstreamServer) -> None:
    assert agreed().unchanged(other, LISTING) is None


def test_another_listing_is_compared_and_one_that_cannot_be_told_from_others_always_is() -> None:
    assert agreed().unchanged(SERVER, replace(LISTING, digest="2")) is None
    unknown = Agreements()
    unknown.note(SERVER, 3, replace(LISTING, digest=""), CatalogueDiff(unchanged=2))
    assert unknown.unchanged(SERVER, replace(LISTING, digest="")) is None


def test_nothing_is_agreed_on_while_something_waits_for_a_person() -> None:
    assert agreed(changes=CatalogueDiff(unchanged=1, waiting=1)).unchanged(SERVER, LISTING) is None
    assert agreed(replace(SERVER, held=1)).unchanged(replace(SERVER, held=1), LISTING) is None


async def test_an_equal_listing_is_counted_without_a_look_at_the_catalogue(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.source.offers["files"] = LISTING
    assert (await house.sync()).added == 2
    house.source.offers["files"] = replace(LISTING, documents=())  # nobody looks at them

    run = await house.sync()

    assert (run.unchanged, run.removed, run.generation) == (2, 0, 1)
    assert await house.tools() == ["files__a", "files__b"]


async def test_a_server_that_was_removed_and_registered_again_gets_its_tools_back(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.source.offers["files"] = LISTING
    await house.sync()
    await store.servers.remove(TENANT, "files")
    await store.servers.add(a_server())

    run = await house.sync()

    assert run.added == 2
    assert await house.tools() == ["files__a", "files__b"]


async def test_a_listing_that_comes_back_after_another_one_is_stored_again(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    other = FakeListing((a_document("a"), a_document("b", description="Other.")), digest="2")
    for listing, changed in ((LISTING, 0), (other, 1), (LISTING, 1), (LISTING, 0)):
        house.source.offers["files"] = listing
        assert (await house.sync()).changed == changed
