"""Database URLs: the short forms people write, and the drivers we use for them."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import InvalidInput

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def database_url(text: str) -> URL:
    """Parse a database URL and put in the async driver. Raises InvalidInput; never repeats the text: it may hold a
    password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise InvalidInput(
            "The database URL cannot be read; write sqlite:///FILE or postgresql://HOST/NAME."
        ) from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise InvalidInput(f"Databases of type {url.drivername!r} are not supported; use sqlite or postgresql.")
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise InvalidInput("A SQLite URL needs a file, as in sqlite:////var/lib/toolcrib/toolcrib.db.")
    return url.set(drivername=driver)


def shown(url: URL) -> str:
    """The URL without its password and query: safe to show."""
    return url.set(query={}).render_as_string(hide_password=True)
