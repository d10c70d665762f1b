"""Names agents see: legal everywhere, injective, stable."""

from __future__ import annotations

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from domain.names import MAX_TOOL_ID, OWN_SLUG, is_slug, slug_for, tool_id_for

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAMES = st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=30, unique=True)


def test_a_plain_name_is_kept_behind_its_slug() -> None:
    assert tool_id_for("git", "git_status") == "git__git_status"


def test_an_illegal_character_becomes_an_underscore_with_a_hash_of_the_original() -> None:
    assert tool_id_for("fs", "read.file") == "fs__read_file_" + hashlib.sha256(b"fs__read.file").hexdigest()[:8]


def test_a_long_name_is_cut_to_64_characters() -> None:
    made = tool_id_for("server", "x" * 200)
    assert len(made) == MAX_TOOL_ID
    assert made.startswith("server__xxx")


def test_a_name_that_another_tool_holds_gets_a_hash() -> None:
    assert tool_id_for("a", "b", taken={"a__b"}) != "a__b"


@given(NAMES)
def test_ids_of_one_server_are_legal_and_never_shared(names: list[str]) -> None:
    made: dict[str, str] = {}
    for name in names:
        made[tool_id_for("server", name, made.keys())] = name
    assert len(made) == len(names)
    assert all(LEGAL.fullmatch(tool_id) for tool_id in made)


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=20))
def test_a_slug_is_legal_and_free(title: str, others: list[str]) -> None:
    taken: set[str] = set()
    for other in others:
        taken.add(slug_for(other, taken))
    slug = slug_for(title, taken)
    assert is_slug(slug)
    assert slug not in taken


@given(st.text(max_size=60))
def test_a_slug_is_the_same_for_the_same_title(title: str) -> None:
    assert slug_for(title) == slug_for(title)


def test_no_server_gets_the_slug_that_is_ours() -> None:
    made = [slug_for(title) for title in ("toolcrib", "Toolcrib", " TOOLCRIB!")]
    assert all(slug != OWN_SLUG and is_slug(slug) and slug.startswith(OWN_SLUG) for slug in made)
