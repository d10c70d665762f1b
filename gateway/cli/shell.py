"""What every command shares: `--data`, `--url`, `--json`, the settings they make, the event loop, the exit code.

`@command` makes a command of an async function whose parameters are its own flags and, last, `shell: Shell`.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.errors import InvalidInput
from gateway.cli.output import Exit
from gateway.event_loop import run_async
from gateway.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Data folder (TOOLCRIB_DATA).", show_default=False)]
Url = Annotated[str | None, typer.Option("--url", help="Use the gateway at this address.", show_default=False)]
Gateway = Annotated[str | None, typer.Option("--gateway", help="Use the gateway at this address.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to run the commands shown.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


@dataclass(frozen=True, slots=True)
class Shell:
    """The settings of this command, and whether a program reads its output."""

    settings: Settings
    as_json: bool = False
    yes: bool = False  # agreed beforehand to what the command would ask


def make_settings(**given: Any) -> Settings:
    """Settings from the environment, with the flags that were given on top. Raises InvalidInput."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(f"The setting TOOLCRIB_{name} is not valid: {first['msg']}.") from error


def command(function: Callable[..., Coroutine[Any, Any, Exit | None]]) -> Callable[..., None]:
    """Give a command the shared options. One that has a `--url` of its own gets `--gateway` instead."""
    return _with_options(function, {})


def asking_command(function: Callable[..., Coroutine[Any, Any, Exit | None]]) -> Callable[..., None]:
    """The same with `--yes`, for a command that asks a person before it goes on."""
    return _with_options(function, {"yes": Yes})


def _with_options(
    function: Callable[..., Coroutine[Any, Any, Exit | None]], more: dict[str, Any]
) -> Callable[..., None]:
    own = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    address = "gateway" if "url" in own else "url"
    shared: dict[str, Any] = {"data": Data, address: Gateway if address == "gateway" else Url, "as_json": Json, **more}

    @functools.wraps(function)
    def wrapped(**given: Any) -> None:
        settings = make_settings(data=given.pop("data"), url=given.pop(address))
        shell = Shell(settings, as_json=given.pop("as_json"), yes=given.pop("yes", False))
        code = run_async(function(**given, shell=shell))
        if code:
            raise typer.Exit(code)

    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.items()
        if name != "shell"
    ]
    for name, annotation in shared.items():
        default = None if name in {"data", address} else False
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped
