"""Envelope encryption of credentials: every value under a key of its own, that key under one of the key ring.

Both layers are AES-256-GCM of the library `cryptography`. The associated data name purpose, tenant and server, so that
a row moved to another tenant or server does not open. Refuses to know: tables, and what the values mean.

    tc1:KEY-ID:BASE64(nonce + sealed data key):BASE64(nonce + sealed JSON)
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import SecretsUnavailable
from store.json_text import decode, encode
from store.keyring import KeyRing

_FORM = "tc1"
_NONCE_BYTES = 12
_DATA_KEY_BITS = 256


class Sealer:
    """Seals JSON values to text and opens them again."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys = keys

    def seal(self, value: object, *context: str) -> str:
        """The sealed value. Opening takes the same `context` (purpose, tenant, server). Raises SecretsUnavailable."""
        key = self.keys.newest()
        data_key = AESGCM.generate_key(_DATA_KEY_BITS)
        bound = _bound(key.id, context)
        return ":".join(
            (
                _FORM,
                key.id,
                _encrypt(key.secret, data_key, bound),
                _encrypt(data_key, encode(value).encode("ascii"), bound),
            )
        )

    def open(self, sealed: str, *context: str) -> Any:
        """The value. Raises SecretsUnavailable when its key is unknown, or it was altered or moved."""
        form, key_id, wrapped, text = [*sealed.split(":"), "", "", ""][:4]
        if form != _FORM:
            raise _altered(context)
        key = self.keys.find(key_id)
        if key is None:
            raise missing_key(key_id, self.keys)
        bound = _bound(key_id, context)
        try:
            data_key = _decrypt(key.secret, wrapped, bound)
            return decode(_decrypt(data_key, text, bound).decode("ascii"))
        except (InvalidTag, binascii.Error, ValueError):
            raise _altered(context) from None


def prefix(key_id: str) -> str:
    """How everything begins that a key sealed."""
    return f"{_FORM}:{key_id}:"


def key_id_of(sealed: str) -> str:
    return [*sealed.split(":"), ""][1]


def missing_key(key_id: str, keys: KeyRing) -> SecretsUnavailable:
    return SecretsUnavailable(
        f"Credentials in the database are sealed with key {key_id}, which {keys.place} does not hold; "
        "restore that key and start again (nothing was changed)."
    )


def _altered(context: tuple[str, ...]) -> SecretsUnavailable:
    return SecretsUnavailable(
        f"The credentials of server {context[-1]!r} cannot be opened: the record was altered, or belongs to another "
        "server or tenant; restore the database, or remove the server and register it again."
    )


def _bound(key_id: str, context: tuple[str, ...]) -> bytes:
    return json.dumps([_FORM, key_id, *context]).encode()


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound)).decode()


def _decrypt(key: bytes, text: str, bound: bytes) -> bytes:
    blob = base64.b64decode(text, validate=True)
    if base64.b64encode(blob).decode() != text:  # the last character has bits to spare that no decoder looks at
        raise ValueError("not the text that was sealed")
    return AESGCM(key).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], bound)
