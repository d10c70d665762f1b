"""The tables, as SQLAlchemy Core sees them. `migrations/` creates them; a test compares the two.

`tenant` leads every primary key, except in the five tables that belong to the installation and hold nothing of a
tenant's: `counters` (numbering), `cursors` (how far a shared index has followed), `leases` (which gateway does what
only one may do), `schema_floor` (which code may run on it) and `vectors` (content-addressed).
JSON lives in text columns (store/json_text.py). Times are epoch seconds.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, false

METADATA = MetaData()

KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared or ordered: by code point on both databases."""

SERVERS = Table(
    "servers",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("slug", KEY, primary_key=True),
    Column("title", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("command", Text, nullable=False),  # JSON array
    Column("cwd", Text),
    Column("url", Text),
    Column("enabled", Boolean, nullable=False),
    Column("trusted", Boolean, nullable=False, server_default=false()),
    Column("generation", BigInteger, nullable=False),
    Column("secrets", Text, nullable=False),  # JSON {env, headers} of versions before 0003; empty since
    Column("sealed", Text),  # store/sealing.py: {env, headers, url}; null when there is nothing to hide
    Column("allow_private", Boolean, nullable=False, server_default=false()),
    Column("sharing", Text, nullable=False, server_default="auto"),
    Column("review", Text, nullable=False, server_default="accept"),
    Column("held", BigInteger, nullable=False, server_default="0"),  # rows of `held_tools`
)

CREDENTIALS = Table(
    "credentials",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("server", KEY, primary_key=True),
    Column("sealed", Text, nullable=False),  # store/sealing.py: OAuth client and tokens
)

TOOLS = Table(
    "tools",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("tool_id", KEY, primary_key=True),
    Column("server", KEY, nullable=False),
    Column("state", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("contract_hash", Text, nullable=False),
    Column("semantic_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),  # JSON: the upstream object
    Column("indexed", Text, nullable=False),  # JSON array: the four texts of domain.text.ToolText
    Column("skeleton", KEY),  # domain.lookalikes of the name; null in rows of versions before 0020
    Column("successor", KEY),
    Index("tools_by_server", "tenant", "server"),
    Index("tools_by_skeleton", "tenant", "skeleton"),
)

HELD_TOOLS = Table(
    "held_tools",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("tool_id", KEY, primary_key=True),
    Column("server", KEY, nullable=False),
    Column("id", KEY, nullable=False),
    Column("kind", Text, nullable=False),
    Column("contract_hash", Text, nullable=False),
    Column("semantic_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("indexed", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("warnings", Text, nullable=False),  # JSON array of [danger, where, what]
    Column("renamed_from", KEY),
    Column("seen_at", Double, nullable=False),
    Column("status", Text, nullable=False),
    Column("decided_by", KEY),
    Column("decided_at", Double),
    Index("held_tools_by_server", "tenant", "server"),
    Index("held_tools_by_id", "tenant", "id", unique=True),
)

HELD_LAUNCHES = Table(
    "held_launches",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("server", KEY, primary_key=True),
    Column("transport", Text, nullable=False),
    Column("command", Text, nullable=False),  # JSON array
    Column("cwd", Text),
    Column("url", Text),
    Column("sealed", Text),  # as in `servers`
    Column("seen_at", Double, nullable=False),
    Column("proposed_by", KEY, nullable=False),
)

TOOL_PINS = Table(
    "tool_pins",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("tool_id", KEY, primary_key=True),
    Column("server", KEY, nullable=False),
    Column("pinned_by", KEY, nullable=False),
    Column("at", Double, nullable=False),
    Index("tool_pins_by_server", "tenant", "server"),
)

TOOL_OVERLAYS = Table(
    "tool_overlays",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("tool_id", KEY, primary_key=True),
    Column("alias", KEY),
    Column("override", Text),  # the operator's description
    Index("tool_overlays_by_alias", "tenant", "alias", unique=True),
)

TOOL_VERSIONS = Table(
    "tool_versions",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tool_id", KEY, nullable=False),
    Column("contract_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("decision", Text, nullable=False, server_default="approved"),
    Column("decided_by", KEY),  # a subject, or `policy:NAME`; null while it is held, and in rows before 0020
    Index("tool_versions_by_tool", "tenant", "tool_id", "seq"),
)

QUESTIONS = Table(
    "questions",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("tool_id", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),  # hash of the text without case
    Column("source", Text, nullable=False),
    Column("text", Text, nullable=False),  # JSON string
    Column("uses", Double, nullable=False),  # as they were worth at `at`
    Column("at", Double, nullable=False),
)

GENERATED = Table(
    "generated",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),  # model, prompt version and the text's hash
    Column("texts", Text, nullable=False),  # JSON array
)

INDEX_CHANGES = Table(
    "index_changes",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tool_id", KEY, nullable=False),
    Column("kind", Text, nullable=False),
    Index("index_changes_by_seq", "seq", unique=True),
)

COUNTERS = Table(
    "counters",
    METADATA,
    Column("name", KEY, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

CURSORS = Table(
    "cursors",
    METADATA,
    Column("name", KEY, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

VECTORS = Table(
    "vectors",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("id", KEY, primary_key=True),
    Column("subject", KEY, nullable=False),
    Column("mode", Text, nullable=False),
    Column("max_tools", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("memory", Text, nullable=False),  # JSON (store/memory_json.py)
    Column("bounds", Text),  # JSON (store/session_rows.py); null in rows of versions before 0010
    Column("version", BigInteger, nullable=False, server_default="0"),  # counts changes of the memory
    Index("sessions_by_age", "tenant", "created_at", "id"),
    Index("sessions_by_expiry", "expires_at"),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", KEY, nullable=False),
    Column("kind", Text, nullable=False),
    Column("session_id", KEY),
    Column("parent_id", KEY),
    Column("subject", KEY, nullable=False),
    Column("at", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("versions", Text, nullable=False),  # JSON object
    Column("body", Text, nullable=False),  # JSON object
    Column("actor", Text),  # null in rows of versions before 0040: the gateway, or of a call the agent
    Column("cost", Double),  # null likewise
    Index("events_by_id", "tenant", "id", unique=True),
    Index("events_by_session", "tenant", "session_id", "seq"),
    Index("events_by_age", "tenant", "at"),
)

LOG_RULES = Table(
    "log_rules",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("rules", Text, nullable=False),  # JSON: the fields of domain.log_rules.LogRules that the tenant has set
)

POLICY_FILES = Table(
    "policy_files",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("version", KEY, primary_key=True),
    Column("name", KEY, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

POLICY_MOVES = Table(
    "policy_moves",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", KEY, nullable=False),
    Column("mode", Text, nullable=False),
    Column("share", Double, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON object
    Column("reason", Text, nullable=False),
    Column("restores", Integer, nullable=False),
)

SYNC_RUNS = Table(
    "sync_runs",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("server", KEY, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("succeeded", Boolean, nullable=False),
    Column("counts", Text, nullable=False),  # JSON {added, changed, removed, unchanged, skipped, embedded}
    Column("error", Text),  # JSON string: upstream words may hold any character
    Column("warnings", Text, nullable=False),  # JSON array
    Column("details", Text),  # JSON {held, list_s, store_s, index_s}; null in rows of versions before 0020
    Index("sync_runs_by_server", "tenant", "server", "seq"),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("name", KEY, primary_key=True),
    Column("holder", KEY, nullable=False),
    Column("token", BigInteger, nullable=False),  # grows with every change of holder
    Column("expires_at", Double, nullable=False),  # by the database's clock
)

SYNC_REQUESTS = Table(
    "sync_requests",
    METADATA,
    Column("tenant", KEY, primary_key=True),
    Column("id", KEY, primary_key=True),
    Column("server", KEY, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("accepts_removal", Boolean, nullable=False),
    Column("asked_at", Double, nullable=False),  # by the database's clock
    Column("run", Text),  # JSON (store/sync_requests.py): the answer
)

SCHEMA_FLOOR = Table(
    "schema_floor",
    METADATA,
    Column("name", KEY, primary_key=True),  # one row: "floor"
    Column("revision", Text, nullable=False),
)
