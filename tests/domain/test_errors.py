"""The error tree: every error has a sentence, a code of its own, and comes back from its code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.error_codes import error_for
from domain.errors import ToolcribError, UpstreamRefused


def tree(root: type[ToolcribError]) -> Iterator[type[ToolcribError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == "domain.errors":
            yield from tree(child)


ERRORS = [kind for kind in tree(ToolcribError) if kind is not UpstreamRefused]


def test_codes_are_never_shared() -> None:
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.code)
def test_an_error_comes_back_from_its_code(kind: type[ToolcribError]) -> None:
    assert type(error_for(kind.code, "x")) is kind


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.code)
def test_the_default_message_is_a_sentence(kind: type[ToolcribError]) -> None:
    assert kind().message[0].isupper()
    assert kind().message.endswith(".")


def test_an_unknown_code_keeps_its_message() -> None:
    assert error_for("from_the_future", "It broke.").message == "It broke."
