"""Configurations as the clients write them, and as people break them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.servers import Launch, Transport
from servers.client_configs import ClientConfig, ConfigEntry, parse_client_config
from servers.client_configs.jsonc import to_plain_json

CLAUDE_DESKTOP = """{
  "globalShortcut": "",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/home/me/Desktop"]
    },
    "git": {"command": "uvx", "args": ["mcp-server-git"], "env": {"GIT_TOKEN": "${GIT_TOKEN}", "DEBUG": true, "N": 3}}
  }
}"""

CLAUDE_CODE = """{"mcpServers": {
  "remote": {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
  "old": {"type": "sse", "url": "${BASE:-https://old.example.com}/sse"},
  "local": {"type": "stdio", "command": "server", "args": [], "env": {}}
}}"""

CURSOR = """{"mcpServers": {
  "by-url": {"url": "http://localhost:3000/mcp", "headers": {"X-Key": "${env:TOKEN}"}},
  "one-line": {"command": "npx -y some-server 'a b'"},
  "path": {"command": "/opt/my tools/server"}
}}"""

WINDSURF = """{"mcpServers": {"remote": {"serverUrl": "https://w.example.com/mcp", "disabled": true}}}"""

VSCODE = """{
  // servers of this workspace
  "inputs": [{"id": "key", "type": "promptString"},],
  "servers": {
    "github": {"type": "http", "url": "https://api.githubcopilot.com/mcp/"}, /* remote,
    and hosted */
    "asks": {"command": "server", "env": {"KEY": "${input:key}"}},
    "slashes": {"command": "server", "args": ["http://a//b", "/* no comment */", "a,]"],},
  },
}"""

VSCODE_SETTINGS = """{"editor.fontSize": 12, "mcp": {"servers": {"a": {"command": "server"}}}}"""

CODEX = """
model = "some-model"
[mcp_servers.docs]
command = "npx"
args = ["-y", "docs-server"]
cwd = "/srv/docs"
[mcp_servers.docs.env]
KEY = "value"
[mcp_servers.remote]
url = "https://example.com/mcp"
bearer_token_env_var = "TOKEN"
http_headers = { "X-A" = "b" }
env_http_headers = { "X-C" = "GIT_TOKEN" }
enabled = false
"""

VARIABLES = {"TOKEN": "t0ken", "GIT_TOKEN": "g1t"}


def stdio(*command: str, cwd: str | None = None, **env: str) -> Launch:
    return Launch(Transport.STDIO, command=command, cwd=cwd, env=env)


def http(url: str, transport: Transport = Transport.STREAMABLE_HTTP, **headers: str) -> Launch:
    return Launch(transport, url=url, headers={name.replace("_", "-"): value for name, value in headers.items()})


CASES: list[tuple[str, str, str, tuple[ConfigEntry, ...]]] = [
    (
        "claude-desktop",
        "claude_desktop_config.json",
        CLAUDE_DESKTOP,
        (
            ConfigEntry(
                "filesystem", stdio("npx", "-y", "@modelcontextprotocol/server-filesystem", "/home/me/Desktop")
            ),
            ConfigEntry("git", stdio("uvx", "mcp-server-git", GIT_TOKEN="g1t", DEBUG="true", N="3")),
        ),
    ),
    (
        "claude-code",
        ".mcp.json",
        CLAUDE_CODE,
        (
            ConfigEntry("remote", http("https://mcp.example.com/mcp", Authorization="Bearer t0ken")),
            ConfigEntry("old", http("https://old.example.com/sse", Transport.SSE)),
            ConfigEntry("local", stdio("server")),
        ),
    ),
    (
        "cursor",
        "mcp.json",
        CURSOR,
        (
            ConfigEntry("by-url", http("http://localhost:3000/mcp", X_Key="t0ken")),
            ConfigEntry("one-line", stdio("npx", "-y", "some-server", "a b")),
            ConfigEntry("path", stdio("/opt/my tools/server")),
        ),
    ),
    (
        "windsurf",
        "mcp_config.json",
        WINDSURF,
        (ConfigEntry("remote", http("https://w.example.com/mcp"), enabled=False),),
    ),
    ("vscode-settings", "settings.json", VSCODE_SETTINGS, (ConfigEntry("a", stdio("server")),)),
    (
        "codex",
        "config.toml",
        CODEX,
        (
            ConfigEntry("docs", stdio("npx", "-y", "docs-server", cwd="/srv/docs", KEY="value")),
            ConfigEntry(
                "remote",
                http("https://example.com/mcp", X_A="b", X_C="g1t", Authorization="Bearer t0ken"),
                enabled=False,
            ),
        ),
    ),
]


@pytest.mark.parametrize(("filename", "text", "entries"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_clients_own_form_is_read(filename: str, text: str, entries: tuple[ConfigEntry, ...]) -> None:
    assert parse_client_config(text, filename, VARIABLES) == ClientConfig(entries)


def test_a_half_good_file_gives_its_good_half_and_a_sentence_for_each_bad_entry() -> None:
    config = parse_client_config(VSCODE, "mcp.json")
    assert [entry.title for entry in config.entries] == ["github", "slashes"]
    assert config.entries[1].launch.command == ("server", "http://a//b", "/* no comment */", "a,]")
    assert config.problems == (
        "'asks' in mcp.json was left out: ${input:key} is resolved by that client only; write the value itself.",
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("text", "an entry is an object with a command or a URL"),
        ({}, "it has neither a command nor a URL"),
        ({"command": ""}, "A stdio server needs a command; write it after `--`"),
        ({"command": 7}, "its command and args must be texts"),
        ({"command": "a", "args": "b"}, "its args are not a list of texts"),
        ({"command": "a", "args": [1]}, "its command and args must be texts"),
        ({"command": "a", "url": "http://b"}, "it has both a command and a URL; keep one of them"),
        ({"type": "sse", "command": "a", "url": "http://b"}, "its type is sse but it has a command; keep one of them"),
        ({"type": "stdio", "url": "http://b"}, "its type is stdio but it has no command"),
        ({"type": "http", "command": "a"}, "its type is http but it has no URL"),
        ({"type": "carrier-pigeon", "url": "http://b"}, "its type 'carrier-pigeon' is unknown; use stdio, http or sse"),
        ({"url": "ftp://b"}, "A streamable-http server needs a URL that begins with http:// or https://"),
        ({"url": "http://[b"}, "A streamable-http server needs a URL that begins with http:// or https://"),
        ({"url": ["http://b"]}, "its url must be a text"),
        ({"command": "a", "env": ["B=c"]}, "its env must be an object of texts"),
        ({"command": "a", "env": {"B": {}}}, "its env 'B' must be a text"),
        (
            {"command": "a", "env": {"B": "${MISSING}"}},
            "the variable MISSING is not set; set it, or write the value itself",
        ),
        ({"command": "a", "env": {"B=C": "d"}}, "its env 'B=C' is no name and value a process could be given"),
        ({"command": "a\0"}, "A stdio server needs a command; write it after `--`"),
        ({"command": "npx 'a"}, "its command cannot be split into words (No closing quotation); use args"),
        ({"url": "http://b", "headers": {"X\nY": "c"}}, "its header 'X\\nY' holds characters that no header may have"),
        ({"url": "http://b", "headers": {"X": "c\r\nY: d"}}, "its header 'X' holds characters that no header may have"),
    ],
)
def test_a_bad_entry_is_left_out_with_its_reason(entry: object, reason: str) -> None:
    config = parse_client_config(json.dumps({"mcpServers": {"bad": entry, "good": {"command": "ok"}}}), "mcp.json")
    assert [entry.title for entry in config.entries] == ["good"]
    assert config.problems == (f"'bad' in mcp.json was left out: {reason}.",)


@pytest.mark.parametrize(
    ("filename", "text", "sentence"),
    [
        (
            "mcp.json",
            '{\n  "mcpServers": {\n    "a" {}\n',
            "mcp.json is not valid JSON: .* at line 3, column 9; correct",
        ),
        ("mcp.json", '{ // comment\n "mcpServers": oops }', "mcp.json is not valid JSON: .* at line 2, column 16;"),
        ("config.toml", "a = 1\nb = oops", r"config.toml is not valid TOML: .*line 2, column 5.*; correct"),
        ("mcp.json", '{"mcpServers": {"a": ' + "1" * 5000 + "}}", "or holds too long a number"),
        ("mcp.json", "", "mcp.json is not valid JSON: Expecting value at line 1, column 1"),
        ("mcp.json", "[" * 100_000, "mcp.json cannot be read, because it nests too deep"),
        ("mcp.json", "[]", "mcp.json has no list of MCP servers"),
        ("mcp.json", '{"mcpServers": []}', "mcp.json has no list of MCP servers"),
    ],
)
def test_an_unreadable_file_says_where(filename: str, text: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        parse_client_config(text, filename)


def test_a_secret_is_never_in_a_problem() -> None:
    entry = {"url": "http://b", "headers": {"Authorization": "s3cret-value\n"}}
    config = parse_client_config(json.dumps({"mcpServers": {"a": entry}}), "mcp.json")
    assert "s3cret" not in config.problems[0]
    assert "s3cret" not in repr(parse_client_config(CLAUDE_DESKTOP, "c.json", {"GIT_TOKEN": "s3cret-value"}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["command", "args", "env", "url", "type", "headers", "cwd", "disabled", "serverUrl", "http_headers"]
)
VALUES = JSON | st.sampled_from(
    ["${A}", "${env:A}", "stdio", "http", "http://b", "http://[", "a b", "a 'b", "\0", "${", "~"]
)
ENTRY = st.dictionaries(KEYS, VALUES, max_size=5)


@given(st.dictionaries(st.text(max_size=10), ENTRY | JSON, max_size=4), st.sampled_from(["mcpServers", "servers", "x"]))
def test_any_json_gives_entries_and_problems_or_invalid_input(servers: dict[str, object], section: str) -> None:
    try:
        config = parse_client_config(json.dumps({section: servers}), "mcp.json")
    except InvalidInput:
        assert section == "x"
        return
    assert len(config.entries) + len(config.problems) == len(servers)


@given(st.text(), st.sampled_from(["mcp.json", "config.toml"]))
def test_any_text_is_read_or_refused(text: str, filename: str) -> None:
    refused = False
    try:
        parse_client_config(text, filename)
    except InvalidInput:
        refused = True
    assert refused or "mcp" in text or "servers" in text


@given(JSON)
def test_plain_json_is_left_as_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert to_plain_json(text) == text


@given(JSON, st.sampled_from(["// c\n", "/* c, ] \n */", "\n", "/* // */"]))
def test_comments_and_trailing_commas_change_nothing_but_themselves(value: object, comment: str) -> None:
    text = f"{comment}[{comment}{json.dumps(value)}{comment},{comment}]{comment}"
    plain = to_plain_json(text)
    assert len(plain) == len(text)
    assert json.dumps(json.loads(plain)) == json.dumps([value])
