"""Which keys seal the credentials of a data folder, as the settings say."""

from __future__ import annotations

from gateway.settings import Settings
from store.keyring import KEY_FILE, FileKeys, GivenKeys, KeyRing


def sealing_keys(settings: Settings) -> KeyRing:
    """The environment's keys, the file it names, or the data folder's own. Raises SecretsUnavailable."""
    if settings.secrets_key is not None:
        return GivenKeys(settings.secrets_key.get_secret_value())
    return FileKeys(settings.secrets_key_file or settings.data / KEY_FILE)
