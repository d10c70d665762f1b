"""Runs Alembic inside a transaction of ours. Imported only when a migration is due (store/migrate.py)."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import migrations
from domain.errors import StoreUnavailable
from store.revision import HEAD, floor, revision

_log = logging.getLogger(__name__)


def upgrade(connection: Connection) -> None:
    """Upgrade to the newest revision. A newer one that bears this code is left as it is: in the midst of a rollout the
    version before may be started again. Raises StoreUnavailable for one that does not, or does not say.
    """
    config = _config()
    present = revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        if floor(connection) in known:
            _log.warning("A newer Toolcrib wrote this database (schema %s); this one runs on it, for a while.", present)
            return
        raise StoreUnavailable(
            f"A newer Toolcrib wrote this database (schema {present}, this one knows {HEAD}); upgrade Toolcrib, "
            "or name another database."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))).replace("%", "%%"))
    return config
