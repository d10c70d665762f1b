"""The keys that seal credentials at rest: from a file that we make, or from the environment, which the operator keeps.

Refuses to know: databases, and what is sealed (store/sealing.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from domain.errors import SecretsUnavailable

KEY_FILE = "secrets.key"
"""The keys of a data folder's credentials."""

KEY_BYTES = 32
_KEPT = 2  # the newest key and the one before it, which another process may still seal with
_HEADING = (
    "# Toolcrib's keys for the credentials in its database, the newest first. Keep a copy apart from the database:\n"
    "# without this file the credentials are lost, and with both anybody can read them.\n"
)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """256 random bits. The id is a hash of them, so it can stand beside what was sealed."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"toolcrib key id" + self.secret).hexdigest()[:16]

    @property
    def text(self) -> str:
        return base64.b64encode(self.secret).decode()


class KeyRing(Protocol):
    """Where keys come from. `place` is how a message names it."""

    @property
    def place(self) -> str: ...

    def newest(self) -> SealingKey:
        """The key to seal with. Raises SecretsUnavailable."""
        ...

    def find(self, key_id: str) -> SealingKey | None:
        """The key that sealed something, or None. Raises SecretsUnavailable when the keys cannot be read."""
        ...

    def renew(self) -> None:
        """Put a new key first, where that is ours to do."""
        ...

    def retire(self, in_use: Iterable[str]) -> None:
        """Forget old keys, except those in use and the one before the newest."""
        ...


class FileKeys:
    """A file with one key per line, for its owner alone; made when the first secret is sealed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: list[SealingKey] = []

    @property
    def place(self) -> str:
        return f"the key file {self._path}"

    def newest(self) -> SealingKey:
        """See `KeyRing`."""
        if not self._keys:
            self._keys = self._read() or self._create()
        return self._keys[0]

    def find(self, key_id: str) -> SealingKey | None:
        """See `KeyRing`. An unknown id reads the file again: another process may have renewed it."""
        known = _by_id(self._keys, key_id)
        if known is None and (fresh := self._read()):
            self._keys = fresh
            known = _by_id(fresh, key_id)
        return known

    def renew(self) -> None:
        """See `KeyRing`."""
        self._write([SealingKey(secrets.token_bytes(KEY_BYTES)), *(self._read() or [self.newest()])])

    def retire(self, in_use: Iterable[str]) -> None:
        """See `KeyRing`."""
        wanted = set(in_use)
        keys = self._read()
        kept = [key for place, key in enumerate(keys) if place < _KEPT or key.id in wanted]
        if kept != keys:
            self._write(kept)

    def _read(self) -> list[SealingKey]:
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise SecretsUnavailable(f"{self.place.capitalize()} cannot be read; check its rights.") from error
        words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not words:
            raise SecretsUnavailable(f"{self.place.capitalize()} holds no key; restore it from your copy.")
        return [parse_key(word, self.place) for word in words]

    def _create(self) -> list[SealingKey]:
        """Make the file, or read the one that another process made at the same moment."""
        draft = self._draft([SealingKey(secrets.token_bytes(KEY_BYTES))])
        try:
            os.link(draft, self._path)  # unlike a rename, it never replaces
        except FileExistsError:
            pass
        except OSError as error:
            raise self._not_written(error) from error
        finally:
            draft.unlink(missing_ok=True)
        return self._read()

    def _write(self, keys: list[SealingKey]) -> None:
        draft = self._draft(keys)
        try:
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._not_written(error) from error
        self._keys = keys

    def _draft(self, keys: list[SealingKey]) -> Path:
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        text = _HEADING + "".join(f"{key.text}\n" for key in keys)
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(handle)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._not_written(error) from error
        return draft

    def _not_written(self, error: OSError) -> SecretsUnavailable:
        return SecretsUnavailable(
            f"{self.place.capitalize()} cannot be written ({error.strerror}), so credentials cannot be kept; "
            "make its folder writable."
        )


class GivenKeys:
    """Keys from a setting, the newest first, separated by commas. The operator renews them."""

    def __init__(self, text: str, place: str = "TOOLCRIB_SECRETS_KEY") -> None:
        self._place = place
        self._keys = [parse_key(word.strip(), place) for word in text.split(",") if word.strip()]
        if not self._keys:
            raise SecretsUnavailable(f"{place} holds no key; set 32 random bytes in base64.")

    @property
    def place(self) -> str:
        return self._place

    def newest(self) -> SealingKey:
        """See `KeyRing`."""
        return self._keys[0]

    def find(self, key_id: str) -> SealingKey | None:
        """See `KeyRing`."""
        return _by_id(self._keys, key_id)

    def renew(self) -> None:
        """Nothing to do: the first key of the setting is the new one."""

    def retire(self, in_use: Iterable[str]) -> None:
        """Nothing to do: the setting is the operator's."""


class NoKeys:
    """For a database whose keys were not named."""

    place = "TOOLCRIB_SECRETS_KEY"

    def newest(self) -> SealingKey:
        """See `KeyRing`."""
        raise SecretsUnavailable("There is no key to seal credentials with; set TOOLCRIB_SECRETS_KEY_FILE.")

    def find(self, key_id: str) -> SealingKey | None:  # noqa: ARG002 - there is none
        """See `KeyRing`."""
        return None

    def renew(self) -> None:
        """Nothing to renew."""

    def retire(self, in_use: Iterable[str]) -> None:
        """Nothing to retire."""


def parse_key(word: str, place: str) -> SealingKey:
    """A key from its base64 form. Raises SecretsUnavailable, without repeating it."""
    try:
        secret = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise SecretsUnavailable(f"A key in {place} is not {KEY_BYTES} bytes in base64; restore it from your copy.")
    return SealingKey(secret)


def _by_id(keys: Iterable[SealingKey], key_id: str) -> SealingKey | None:
    return next((key for key in keys if key.id == key_id), None)
