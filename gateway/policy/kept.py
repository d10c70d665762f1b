"""Kept policies: in the store by version, and opened from `DIR/policies/VERSION/`, verified against their manifest."""

from __future__ import annotations

import asyncio
import base64
import binascii
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from domain.errors import InvalidInput, NotFound
from gateway.policy.making import EMBEDDED_DEADLINE_S
from policy_client.artefact import MANIFEST, MODEL, TOKENIZER, kind_of, verified
from policy_client.deciders.embedded import EmbeddedDecider, Policy, open_policy, version_of
from policy_client.router import BackEnd, Router
from store.policies import PolicyRepository

FILES = (MANIFEST, MODEL, TOKENIZER)
"""What of a folder is kept; checkpoints and curves are its trainer's."""

MOST_BYTES = 128 * 1024 * 1024


class KeptPolicies:
    """Of all tenants."""

    def __init__(self, repository: PolicyRepository, folder: Path) -> None:
        """`folder`: the data folder's `policies`; what is missing there is written from the store."""
        self._repository = repository
        self._folder = folder

    async def take(self, sent: Mapping[str, str]) -> tuple[str, Policy]:
        """Verify and open what a client sent, base64 by name; its version. Nothing is kept yet. Raises InvalidInput."""
        files = _decoded(sent)
        return await asyncio.to_thread(self._opened, files)

    async def keep(self, tenant: str, version: str, sent: Mapping[str, str]) -> None:
        """Keep what was taken. Raises StoreUnavailable, StorageFull."""
        await self._repository.keep(tenant, version, _decoded(sent))

    async def open(self, tenant: str, version: str) -> Policy:
        """Raises NotFound for a version that is not kept, InvalidInput for one that does not fit any more."""
        files = await self._repository.files(tenant, version)
        if not files:
            raise NotFound(f"No policy {version!r} is kept; GET /policy names the ones that are.")
        return (await asyncio.to_thread(self._opened, files))[1]

    def _opened(self, files: Mapping[str, bytes]) -> tuple[str, Policy]:
        """Written beside and moved into its place once it is verified: what stands there is whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".coming-") as name:
            coming = Path(name) / "policy"
            coming.mkdir()
            for file, content in files.items():
                (coming / file).write_bytes(content)
            _, manifest = verified(coming, kind_of(coming))
            version = version_of(manifest)
            place = self._folder / version.replace(":", "-")
            if not _is_same(place, files):
                shutil.rmtree(place, ignore_errors=True)
                coming.replace(place)
        return version, open_policy(place)


def router_of(policy: Policy) -> Router:
    """Of a promoted policy: it alone, in this process."""
    return Router([BackEnd(EmbeddedDecider(policy), EMBEDDED_DEADLINE_S)])


def _is_same(place: Path, files: Mapping[str, bytes]) -> bool:
    return all((place / name).is_file() and (place / name).read_bytes() == content for name, content in files.items())


def _decoded(sent: Mapping[str, str]) -> dict[str, bytes]:
    unknown = sorted(set(sent) - set(FILES))
    if unknown or MANIFEST not in sent:
        raise InvalidInput(f"A policy is sent as {', '.join(FILES)}, and nothing else ({', '.join(unknown)}).")
    try:
        files = {name: base64.b64decode(content, validate=True) for name, content in sent.items()}
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("A policy's files are sent in base64; one of them is not.") from error
    if sum(map(len, files.values())) > MOST_BYTES:
        raise InvalidInput(
            f"A kept policy has at most {MOST_BYTES >> 20} MiB; serve a larger one with `toolcrib rl serve`."
        )
    return files
