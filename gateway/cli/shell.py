"""What every command shares: `--data`, `--url`, `--json`, the settings they make, the event loop, the exit code.

`@command` makes a command of an async function whose parameters are its own flags and, last, `shell: Shell`. A
parameter that is a dataclass stands for the flags that are its fields.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, is_dataclass
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
    own, groups = _flags_of(function)
    address = "gateway" if any(flag.name == "url" for flag in own) else "url"
    shared: dict[str, Any] = {"data": Data, address: Gateway if address == "gateway" else Url, "as_json": Json, **more}

    @functools.wraps(function)
    def wrapped(**given: Any) -> None:
        settings = make_settings(data=given.pop("data"), url=given.pop(address))
        shell = Shell(settings, as_json=given.pop("as_json"), yes=given.pop("yes", False))
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        code = run_async(function(**given, shell=shell))
        if code:
            raise typer.Exit(code)

    parameters = list(own)
    for name, annotation in shared.items():
        default = None if name in {"data", address} else False
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _flags_of(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """A command's own flags, and the parameters that take several of them as one dataclass."""
    hints = typing.get_type_hints(function, include_extras=True)
    flags: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "shell":
            continue
        if not is_dataclass(hints[name]):
            flags.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        group = groups[name] = hints[name]
        of_fields = typing.get_type_hints(group, include_extras=True)
        flags += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=of_fields[field.name]
            )
            for field in fields(group)
        ]
    return flags, groups
