"""One suite, same answers: the fake, the embedded engine, a Qdrant client (its own emulation), and the same over HTTP,
in front of the fake server that the fault recipes use.
"""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.engines.edge import EdgeEngine
from index.engines.memory import MemoryEngine
from index.ports import DenseLeg, Engine, Filter, Hit, Leg, NameLeg, Point, SparseLeg, SparseVector, Terms
from tests.conftest import ROOT, absent
from tests.index.samples import DIMENSION, TENANT, document, manifest, point, unit

pytestmark = pytest.mark.anyio

KINDS = ["memory", "edge", "remote", "peer"]
STORED = 0.01
"""How far a score may be off where vectors are stored in a byte a component: at 16 dimensions .005, at 384 .0013."""
HERE = Filter(TENANT)


async def make(kind: str, folder: Path, peer: int | None = None) -> Engine:
    if kind == "memory":
        return MemoryEngine()
    if kind == "edge":
        return await EdgeEngine.open(folder, manifest())
    if importlib.util.find_spec("qdrant_client") is None:
        absent("qdrant-client")
    from index.engines.remote import MEMORY, RemoteEngine  # noqa: PLC0415 - the extra [qdrant]

    return await RemoteEngine.open(MEMORY if peer is None else f"http://127.0.0.1:{peer}", manifest())


@pytest.fixture(scope="module")
def peer() -> Iterator[int]:
    """One server for all of them; each test empties the collection."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.qdrant_peer"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.kill()
    process.communicate()


@pytest.fixture(params=KINDS)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    port = request.getfixturevalue("peer") if request.param == "peer" else None
    made = await make(request.param, tmp_path / "index", port)
    await made.clear()
    yield made
    await made.close()


async def ids(engine: Engine, leg: Leg, where: Filter = HERE) -> list[str]:
    [hits] = await engine.search([leg], where)
    return [hit.tool_id for hit in hits]


def dense(*values: float, limit: int = 10) -> DenseLeg:
    return DenseLeg("concat", unit(values), limit)


def sparse(*indices: int, limit: int = 10) -> SparseLeg:
    return SparseLeg(SparseVector(indices, (1.0,) * len(indices)), limit)


async def test_a_dense_leg_ranks_by_the_dot_product(engine: Engine) -> None:
    near, far = point(document("s__near"), [1, 0.1]), point(document("s__far"), [0.1, 1])
    await engine.upsert([far, near])
    [hits] = await engine.search([dense(1)], HERE)
    assert [hit.tool_id for hit in hits] == ["s__near", "s__far"]
    assert hits[0].score == pytest.approx(float(unit([1, 0.1])[0]), abs=STORED)
    assert hits[0].server == "s"


async def test_a_sparse_leg_weighs_by_idf_and_leaves_out_what_shares_no_term(engine: Engine) -> None:
    await engine.upsert(
        [
            point(document("s__a"), terms={1: 2.0, 2: 1.0}),
            point(document("s__b"), terms={1: 1.0}),
            point(document("s__c"), terms={3: 5.0}),
        ]
    )
    [hits] = await engine.search([sparse(1, 2)], HERE)
    common, rare = (math.log((3 - df + 0.5) / (df + 0.5) + 1) for df in (2, 1))
    assert [hit.tool_id for hit in hits] == ["s__a", "s__b"]
    assert [hit.score for hit in hits] == pytest.approx([2 * common + rare, common], rel=1e-5)


async def test_a_document_without_terms_counts_for_no_idf(engine: Engine) -> None:
    await engine.upsert([point(document("s__a"), terms={1: 1.0}), point(document("s__mute"))])
    [hits] = await engine.search([sparse(1)], HERE)
    assert [hit.score for hit in hits] == pytest.approx([math.log(0.5 / 1.5 + 1)], rel=1e-5)


async def test_ties_are_broken_by_tool_id(engine: Engine) -> None:
    await engine.upsert([point(document(f"s__{name}"), [1], {1: 1.0}) for name in "bca"])
    assert await ids(engine, dense(1)) == ["s__a", "s__b", "s__c"]
    assert await ids(engine, sparse(1)) == ["s__a", "s__b", "s__c"]
    assert await ids(engine, NameLeg(("sa", "sb", "sc"), 10)) == ["s__a", "s__b", "s__c"]


async def test_a_leg_returns_no_more_than_its_limit(engine: Engine) -> None:
    await engine.upsert([point(document(f"s__{n}"), [1, n], {1: 1.0 + n}) for n in range(9)])
    assert await ids(engine, dense(1, limit=2)) == ["s__0", "s__1"]
    assert await ids(engine, sparse(1, limit=2)) == ["s__8", "s__7"]
    assert len(await ids(engine, NameLeg(("s",), 3, prefix=True))) == 3


async def test_names_are_found_whole_or_by_their_beginning(engine: Engine) -> None:
    await engine.upsert([point(document(name)) for name in ("git__list_issues", "git__list", "hub__read")])
    assert await ids(engine, NameLeg(("list", "hubread"), 10)) == ["git__list", "hub__read"]
    assert await ids(engine, NameLeg(("listiss", "gitlisti"), 10, prefix=True)) == ["git__list_issues"]
    [hits] = await engine.search([NameLeg(("read",), 10)], HERE)
    assert hits == [Hit("hub__read", "hub", 1.0)]


async def test_only_the_servers_asked_for_are_found(engine: Engine) -> None:
    await engine.upsert([point(document(f"{server}__t"), terms={1: 1.0}) for server in "xyz"])
    for leg in (dense(1), sparse(1), NameLeg(("t",), 10)):
        assert await ids(engine, leg, Filter(TENANT, ("x", "z"))) == ["x__t", "z__t"]


async def test_nothing_a_tenant_stores_changes_the_answers_to_another(engine: Engine) -> None:
    legs: list[Leg] = [dense(1, 2), sparse(1, 2, 3), NameLeg(("t1", "t2"), 5), NameLeg(("t",), 5, prefix=True)]
    ours = [point(document(f"s__t{n}"), [1, n, 1], {1: 1.0, n % 3 + 1: 2.0}) for n in range(12)]
    await engine.upsert(ours)
    alone = await engine.search(legs, HERE)
    theirs = [point(document(f"s__t{n}", tenant="other"), [n, 1], {1: 9.0, 2: 1.0}) for n in range(40)]
    await engine.upsert(theirs)
    assert await engine.search(legs, HERE) == alone
    await engine.delete([one.id for one in theirs[:20]])
    assert await engine.search(legs, HERE) == alone
    assert await engine.search(legs, Filter("nobody")) == [[], [], [], []]


async def test_an_upsert_replaces_the_point_of_the_same_id(engine: Engine) -> None:
    await engine.upsert([point(document("s__a", "old"), [1], {1: 1.0})])
    await engine.upsert([point(document("s__a", "new"), [0, 1], {2: 1.0})])
    assert await engine.inventory() == {point(document("s__a")).id: document("s__a", "new").semantic_hash}
    assert await ids(engine, sparse(1)) == []
    [[hit]] = await engine.search([dense(0, 1)], HERE)
    assert hit.score == pytest.approx(1.0, abs=1e-5)


async def test_deleted_points_are_gone_and_unknown_ids_no_error(engine: Engine) -> None:
    first, second = point(document("s__a"), terms={1: 1.0}), point(document("s__b"), terms={1: 1.0})
    await engine.upsert([first, second])
    await engine.delete([first.id, point(document("s__never")).id])
    await engine.delete([])
    assert await engine.inventory() == {second.id: second.document.semantic_hash}
    for leg in (dense(1), sparse(1), NameLeg(("a", "b"), 10)):
        assert await ids(engine, leg) == ["s__b"]


async def test_points_are_rescored_exactly_in_the_order_asked_for(engine: Engine) -> None:
    near, far = point(document("s__near"), [1, 0.1]), point(document("s__far"), [0.1, 1])
    await engine.upsert([near, far, point(document("s__other"), [1])])
    rows = np.stack([unit([1]), unit([0, 1])])
    scores = await engine.rescore(
        [far.id, "00000000-0000-0000-0000-00000000000a", near.id], {"name": rows[:1], "concat": rows}
    )
    low, high = (float(value) for value in unit([0.1, 1])[:2])
    assert scores["name"] == pytest.approx(np.array([[low, 0, high]]), abs=STORED)
    assert scores["concat"] == pytest.approx(np.array([[low, 0, high], [high, 0, low]]), abs=STORED)


async def test_words_are_rescored_as_a_sparse_leg_scores_them(engine: Engine) -> None:
    first, second = point(document("s__a"), terms={1: 1.0, 2: 0.5}), point(document("s__b"), terms={2: 1.0})
    await engine.upsert([first, second, point(document("s__c"), terms={1: 2.0})])
    [hits] = await engine.search([sparse(1, 2)], Filter(TENANT))
    legs = {hit.tool_id: hit.score for hit in hits}
    asked = Terms(TENANT, (SparseVector((1, 2), (1.0, 1.0)), SparseVector((), ()), SparseVector((7,), (1.0,))))
    scores = (await engine.rescore([second.id, first.id], {}, asked))["sparse"]
    assert scores[0] == pytest.approx([legs["s__b"], legs["s__a"]], abs=1e-5)
    assert scores[1:].tolist() == [[0, 0], [0, 0]]


async def test_rescoring_nothing_gives_empty_tables(engine: Engine) -> None:
    await engine.upsert([point(document("s__a"))])
    assert (await engine.rescore([], {"concat": np.zeros((2, DIMENSION), np.float32)}))["concat"].shape == (2, 0)
    assert await engine.rescore([point(document("s__a")).id], {}) == {}


async def test_the_cursor_starts_at_zero_and_stays_where_it_was_put(engine: Engine) -> None:
    assert await engine.cursor() == 0
    await engine.upsert([point(document("s__a"))])
    await engine.advance(41)
    assert await engine.cursor() == 41
    assert list(await engine.inventory()) == [point(document("s__a")).id]


async def test_clear_drops_every_point_and_the_cursor(engine: Engine) -> None:
    await engine.upsert([point(document("s__a"), terms={1: 1.0})])
    await engine.advance(7)
    await engine.clear()
    assert await engine.inventory() == {}
    assert await engine.cursor() == 0
    assert await ids(engine, dense(1)) == []
    await engine.upsert([point(document("s__b"))])
    assert await ids(engine, dense(1)) == ["s__b"]


async def test_no_legs_and_an_empty_collection_give_no_hits(engine: Engine) -> None:
    assert await engine.search([], HERE) == []
    assert await engine.search([dense(1), sparse(1), NameLeg(("a",), 5)], HERE) == [[], [], []]


async def test_three_engines_give_the_same_answers_on_random_catalogues(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    points = [random_point(rng, number) for number in range(300)]
    legs: list[Leg] = []
    for _ in range(20):
        terms = tuple(int(term) for term in rng.choice(30, size=4, replace=False))
        legs += [DenseLeg("name", unit(rng.normal(size=DIMENSION).tolist()), 25), sparse(*terms, limit=300)]
    where = Filter(TENANT, ("s1", "s2", "s3"))
    answers: list[list[list[Hit]]] = []
    everything: list[list[Hit]] = []
    for kind in KINDS:
        engine = await make(kind, tmp_path / kind)
        await engine.upsert(points)
        await engine.delete([one.id for one in points[:30]])
        answers.append(await engine.search(legs, where))
        if kind == "memory":
            everything = await engine.search([replace(leg, limit=len(points)) for leg in legs], where)
        await engine.close()
    assert any(answers[0])
    for answer in answers[1:]:
        for leg, all_scores, expected, got in zip(legs, everything, answers[0], answer, strict=True):
            true = scores(all_scores)
            assert scores(got) == pytest.approx({tool_id: true[tool_id] for tool_id in scores(got)}, abs=STORED), leg
            assert [hit.score for hit in got] == pytest.approx([hit.score for hit in expected], abs=STORED), leg


def scores(hits: list[Hit]) -> dict[str, float]:
    return {hit.tool_id: hit.score for hit in hits}


def random_point(rng: np.random.Generator, number: int) -> Point:
    terms = {int(term): 1.0 + float(rng.random()) for term in rng.choice(30, size=rng.integers(0, 8), replace=False)}
    tenant = TENANT if number % 3 else "other"
    return point(document(f"s{number % 5}__t{number}", tenant=tenant), rng.normal(size=DIMENSION).tolist(), terms)
