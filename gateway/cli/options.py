"""Options that every command shares, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.errors import InvalidInput
from gateway.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Data folder (TOOLCRIB_DATA).", show_default=False)]
Url = Annotated[str | None, typer.Option("--url", help="Use the gateway at this address.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


def make_settings(**given: Any) -> Settings:
    """Settings from the environment, with the flags that were given on top. Raises InvalidInput."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(f"The setting TOOLCRIB_{name} is not valid: {first['msg']}.") from error
