"""The keys that seal credentials."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from domain.errors import SecretsUnavailable
from store.keyring import FileKeys, GivenKeys, NoKeys


def test_the_key_file_is_made_at_first_use_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    keys = FileKeys(path)
    assert keys.find("0" * 16) is None
    assert not path.exists()

    key = keys.newest()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert FileKeys(path).newest() == key


def test_two_processes_that_make_the_file_at_once_end_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    first, second = FileKeys(path), FileKeys(path)
    second._read()

    mine = first.newest()
    theirs = second._create()[0]

    assert mine == theirs


def test_a_renewed_file_is_noticed_by_who_read_it_before(tmp_path: Path) -> None:
    mine, theirs = FileKeys(tmp_path / "k"), FileKeys(tmp_path / "k")
    old = theirs.newest()

    mine.renew()

    new = mine.newest()
    assert new != old
    assert theirs.find(new.id) == new
    assert theirs.find(old.id) == old


def test_old_keys_stay_while_they_are_used_or_were_just_replaced(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "k")
    made = [keys.newest()]
    for _ in range(3):
        keys.renew()
        made.append(keys.newest())

    keys.retire([made[0].id])

    assert [keys.find(key.id) is not None for key in made] == [True, False, True, True]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "bm90IGEga2V5\n", "not base64!\n"])
def test_a_file_without_a_usable_key_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)

    with pytest.raises(SecretsUnavailable, match="restore it from your copy"):
        FileKeys(path).newest()

    assert path.read_text() == text


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(SecretsUnavailable, match="cannot be written"):
        FileKeys(tmp_path / "missing" / "k").newest()


def test_keys_of_a_setting_are_used_first_to_last_and_never_shown() -> None:
    words = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    keys = GivenKeys(",".join(words))

    assert keys.newest().secret == b"\x01" * 32
    second = GivenKeys(words[1]).newest()
    assert keys.find(second.id) == second
    assert words[0] not in repr(keys.newest())
    with pytest.raises(SecretsUnavailable) as caught:
        GivenKeys("hunter2-hunter2")
    assert "hunter2" not in caught.value.message


def test_without_keys_nothing_is_sealed() -> None:
    with pytest.raises(SecretsUnavailable, match="TOOLCRIB_SECRETS_KEY_FILE"):
        NoKeys().newest()
