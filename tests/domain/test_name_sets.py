"""Tool ids over 10,000 sets of names, made to collide: with one another, after cutting, and with the ids of others."""

from __future__ import annotations

import random
import re

from domain.names import MAX_TOOL_ID, SEPARATOR, slug_for, tool_id_for

SETS = 10_000
LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
ALPHABET = "ab._-/ éß中\N{GRINNING FACE}A1"
TITLES = ("a", "A", "a b", "a-b", "a_b", "Server with a long title", "server with a long titlE", "", "é", "--")


def a_set(chance: random.Random) -> list[tuple[str, str]]:
    """Server titles and tool names, some of which are what other names are turned into."""
    titles = chance.sample(TITLES, chance.randint(1, 4))
    stem = "x" * chance.choice((1, 40, 58, 62, 90))
    pairs: dict[tuple[str, str], None] = {}
    for title in titles:
        for _ in range(chance.randint(1, 6)):
            name = stem * chance.randint(0, 1) + "".join(chance.choices(ALPHABET, k=chance.randint(1, 4)))
            pairs[title, name] = None
            if chance.random() < 0.3:
                pairs[title, tool_id_for(slug_for(title), name).partition(SEPARATOR)[2]] = None
    return list(pairs)


def ids_of(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """As registration and sync make them: a slug per title, ids per server in the order of its names."""
    slugs: dict[str, str] = {}
    ids: dict[str, tuple[str, str]] = {}
    for title, name in pairs:
        slug = slugs.get(title) or slug_for(title, slugs.values())
        slugs[title] = slug
        own = {tool_id for tool_id, (held, _) in ids.items() if held == title}
        tool_id = tool_id_for(slug, name, own)
        assert tool_id not in ids, f"{title} {name} and {ids[tool_id]} share {tool_id}"
        ids[tool_id] = (title, name)
    return ids


def test_every_tool_has_a_legal_id_of_its_own_that_leads_back_to_it_and_stays() -> None:
    chance = random.Random(20261123)
    changed = 0
    for _ in range(SETS):
        pairs = a_set(chance)
        ids = ids_of(pairs)
        assert sorted(ids.values()) == sorted(pairs)
        assert all(LEGAL.fullmatch(tool_id) and len(tool_id) <= MAX_TOOL_ID for tool_id in ids)
        assert ids_of(pairs) == ids
        assert all(SEPARATOR in tool_id for tool_id in ids), "so that no alias can be one"
        changed += sum(not tool_id.endswith(SEPARATOR + name) for tool_id, (_, name) in ids.items())
    assert changed > SETS, "the sets have to be hard"
