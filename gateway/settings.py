"""Settings: the one reader of the environment. Every field is TOOLCRIB_<NAME>; flags of the command line win."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from domain.errors import InvalidInput
from domain.sessions import MemoryMode
from gateway.budget_settings import BudgetSettings
from gateway.event_log.settings import LogSettings
from gateway.model_settings import ModelSettings
from gateway.policy.settings import PolicySettings

DEFAULT_PORT = 8420
_MIB = 1024 * 1024

_SECRETS = Path("/run/secrets")
"""Where container engines put secrets: a file `toolcrib_database_url` there is the setting of that name."""


class Settings(ModelSettings, PolicySettings, LogSettings, BudgetSettings):
    """What an operator may set. Immutable, made once, handed down from the composition root."""

    model_config = SettingsConfigDict(
        env_prefix="TOOLCRIB_", frozen=True, extra="ignore", secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )

    data: Path = Field(default=Path("~/.toolcrib"), description="Data folder: database, index, policies.")
    url: str | None = Field(default=None, description="Address of a running gateway that commands should use.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback only until keys exist.")
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database_url: SecretStr | None = Field(default=None, description="PostgreSQL URL; default: SQLite in the folder.")
    qdrant_url: str | None = Field(default=None, description="Qdrant URL; default: the embedded engine.")
    qdrant_api_key: SecretStr | None = Field(default=None, description="Key of that Qdrant.")
    qdrant_deadline_s: float = Field(
        default=0.1, gt=0, le=60, description="How long a search waits for that Qdrant before the copy here answers."
    )
    secrets_key: SecretStr | None = Field(
        default=None, description="Keys that seal credentials (32 bytes in base64), the newest first, with commas."
    )
    secrets_key_file: Path | None = Field(
        default=None, description="File of those keys; default: secrets.key in the data folder, made at first use."
    )
    client_metadata_url: str | None = Field(
        default=None, description="https URL of a client metadata document of yours, for OAuth at upstream servers."
    )
    profile: str = Field(default="hybrid", description="Retrieval profile when a search names none.")
    k: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Tools returned per query when a search names no k; without it 3 to 8, as many as stand out.",
    )
    dependency_closure: bool = Field(
        default=True, description="Found tools bring the one that recorded sessions called before them."
    )
    adapter: Path | None = Field(
        default=None, description="Folder of a retrieval adapter (`toolcrib rl adapt`) whose order of tools is served."
    )
    server_routing: bool = Field(default=False, description="A server whose document fits lifts its tools.")
    memory_mode: MemoryMode = Field(default=MemoryMode.LRU, description="Who removes tools from a session's memory.")
    memory_limit: int = Field(default=128, ge=4, le=4096, description="Most tools a session holds, our three included.")
    memory_tokens: int | None = Field(default=None, ge=1, description="Most estimated tokens of what a session holds.")
    session_ttl_s: float = Field(default=24 * 3600.0, gt=0, description="Seconds without use until a session expires.")
    case_memory: bool = Field(default=True, description="Offer searches what worked for similar ones of the tenant.")
    poll_s: float = Field(default=300.0, gt=0, description="Seconds between catalogue polls, jittered by 20 %.")
    history_days: float = Field(
        default=365.0, gt=0, description="Days for which a tool's former versions are kept, 5 of each in any case."
    )
    call_timeout_s: float = Field(default=60.0, gt=0, le=3600, description="Deadline of a tool call.")
    message_bytes: int = Field(
        default=16 * _MIB, ge=64 * 1024, description="Largest message of a server that is parsed."
    )
    list_bytes: int = Field(default=8 * _MIB, ge=64 * 1024, description="Largest tool list of a server, all its pages.")
    tool_bytes: int = Field(default=_MIB, ge=1024, description="Largest tool of such a list; a larger one is left out.")
    results_bytes: int = Field(
        default=256 * _MIB, ge=0, description="Disk for larger results, a quarter of it for one; 0 refuses them."
    )
    inline_result_bytes: int = Field(
        default=_MIB, ge=0, description="Text that goes to an agent at once; the rest in pages. 0: all that is parsed."
    )
    result_page_bytes: int = Field(default=64 * 1024, ge=1024, le=_MIB, description="Size of those pages.")
    result_ttl_s: float = Field(default=900.0, gt=0, description="Seconds for which those pages are kept.")
    restart_early: bool = Field(
        default=True, description="Calls that may be repeated begin anew when that is sooner done than waiting on."
    )
    plan_parallel: int = Field(default=4, ge=1, le=16, description="Calls of one plan at one server at once, at most.")
    plan_tool: bool = Field(default=False, description="List `run_plan` on MCP, beside the three meta-tools.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="What is logged.")

    @model_validator(mode="after")
    def _expand(self) -> Self:
        object.__setattr__(self, "data", self.data.expanduser().absolute())
        if self.adapter is not None:
            object.__setattr__(self, "adapter", self.adapter.expanduser().absolute())
        if self.secrets_key_file is not None:
            object.__setattr__(self, "secrets_key_file", self.secrets_key_file.expanduser().absolute())
        return self

    @property
    def store_url(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps the record, unless a URL names another database."""
        return self.data / "toolcrib.db"

    def require_loopback(self) -> None:
        """Raises InvalidInput when the listening address can be reached from outside this machine."""
        if self.host == "localhost":
            return
        try:
            loopback = ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise InvalidInput(
                f"Toolcrib has no keys and roles yet, so it listens on this machine only, not on {self.host!r}: "
                "use --host 127.0.0.1 and put an authenticating reverse proxy in front."
            )
