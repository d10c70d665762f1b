"""What a client's configuration offers for registration."""

from __future__ import annotations

from dataclasses import dataclass

from domain.servers import Launch


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One server of the file. Its launch may hold secrets; `launch.display` is safe to show for consent."""

    title: str
    launch: Launch
    enabled: bool = True
    note: str = ""  # what a person should know before agreeing


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The usable entries, in the file's order, and one sentence for each that is not."""

    entries: tuple[ConfigEntry, ...]
    problems: tuple[str, ...] = ()
