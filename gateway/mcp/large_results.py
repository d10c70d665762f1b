"""How an agent reads a result that was too large for one answer: a reserved name, callable and never listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.names import OWN_SLUG, SEPARATOR
from gateway.mcp.meta_tools import CALL_TOOL

READ_RESULT = f"{OWN_SLUG}{SEPARATOR}read_result"


def read_on(page: Mapping[str, Any]) -> str:
    """The last line of every page: which it is, and how to get the next one."""
    line = f"[Page {page['page']} of {page['pages']} of a result of {page['bytes']:,} bytes ({page['media']})."
    if page["next"] is None:
        return f"{line} It ends here.]"
    until = datetime.fromtimestamp(page["expires_at"], UTC).strftime("%H:%M")
    return (
        f'{line} Read on with {CALL_TOOL}(name="{READ_RESULT}", arguments={{"handle": "{page["handle"]}", '
        f'"page": {page["next"]}}}) until {until} UTC; any page may be asked for.]'
    )
