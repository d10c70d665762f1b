"""The page of the retrieval benchmark: tables stand between their marks, and what was not measured stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import retrieval_page

PAGE = """# Page

<!-- stages: python -m benchmarks.retrieval -->
old
<!-- end -->

kept

<!-- latency: python -m benchmarks.retrieval -->
as it was
<!-- end -->
"""


def numbers(recall: float) -> dict[str, Any]:
    return {"queries": 3, "recall@5": recall, "complete@5": 0.5, "recall@5_95": (0.1, 0.9), "complete@5_95": (0, 1)}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    monkeypatch.setattr(retrieval_page, "PAGE", path)
    return path


def test_a_table_replaces_what_stood_between_its_marks_and_nothing_else(page: Path) -> None:
    retrieval_page.write({"results": {"a set": {name: numbers(0.25) for name in retrieval_page.STAGES}}})
    written = page.read_text()
    assert "| a set (3) | 0.250 / 0.500 |" in written
    assert "old" not in written
    assert "kept" in written
    assert "as it was" in written
    assert written.count("<!-- end -->") == 2


def test_writing_twice_is_writing_once(page: Path) -> None:
    result = {"results": {"a set": {name: numbers(0.25) for name in retrieval_page.STAGES}}}
    retrieval_page.write(result)
    once = page.read_text()
    retrieval_page.write(result)
    assert page.read_text() == once


def test_the_page_of_the_product_has_a_place_for_every_table() -> None:
    marks = ("stages", "intervals", "others", "fields", "toole", "latency")
    text = retrieval_page.PAGE.read_text()
    assert all(f"<!-- {mark}: python -m benchmarks.retrieval -->" in text for mark in marks)
