"""The container files, without an engine: what a compose parser and a Dockerfile linter say, and what they promise."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyOptions

from domain.policy_moves import PolicyMode
from gateway.settings import Settings
from tests.conftest import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()
SECRET_WORDS = ("PASSWORD", "KEY", "DATABASE_URL", "TOKEN")
GATEWAYS = ("gateway-1", "gateway-2")
POLICIES = {"gpu": "policy", "vllm": "vllm"}
"""Profile -> its service; deploy/PROFILE.env has its values."""


def parsed(text: str = COMPOSE) -> dict[str, Any]:
    options = PyOptions()
    options.apply_merge = True
    composed: dict[str, Any] = options.from_yaml(text).to_dict()
    return composed


SERVICES: dict[str, dict[str, Any]] = parsed()["services"]


def test_the_compose_file_is_valid_and_an_invalid_one_is_refused() -> None:
    assert set(SERVICES) == {"proxy", "postgres", "qdrant", *GATEWAYS, *POLICIES.values()}
    with pytest.raises(ValueError, match="sometimes"):
        parsed(COMPOSE.replace("restart: unless-stopped", "restart: sometimes"))


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_as_root_gains_rights_or_keeps_what_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert service["user"] not in {"root", "0", "0:0"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_an_environment(name: str) -> None:
    environment = SERVICES[name].get("environment", {})

    assert {key for key in environment if any(word in key for word in SECRET_WORDS)} <= {"POSTGRES_PASSWORD_FILE"}


def test_every_secret_and_volume_is_declared_and_used_and_every_file_is_outside_of_git() -> None:
    whole = parsed()
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in SERVICES.values()
        for secret in service.get("secrets", [])
    }
    assert used == set(whole["secrets"])
    for folder in ("secrets", "policy", "weights"):
        ignored = subprocess.run(["git", "check-ignore", "-q", f"deploy/{folder}/any"], check=False, cwd=ROOT)
        assert ignored.returncode == 0
    volumes = {str(volume).partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert {name for name in volumes if not name.startswith("./")} == set(whole["volumes"])


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in GATEWAYS])
def test_what_the_gateways_need_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_two_gateways_share_a_namespace_with_the_proxy_alone_and_only_that_is_published_on_loopback() -> None:
    ports = [SERVICES[name]["environment"]["TOOLCRIB_PORT"] for name in GATEWAYS]
    assert {SERVICES[name]["network_mode"] for name in GATEWAYS} == {"service:proxy"}
    assert len(set(ports)) == len(GATEWAYS)
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert "127.0.0.1:8420:8080" in COMPOSE
    proxy = (ROOT / "deploy" / "nginx.conf").read_text()
    assert all(f"server 127.0.0.1:{port}" in proxy for port in ports)
    assert "non_idempotent" not in proxy  # a call that may have been sent is never sent again


def test_the_secrets_of_a_gateway_are_settings(tmp_path: Path) -> None:
    for secret in SERVICES["gateway-1"]["secrets"]:
        (tmp_path / secret).write_text("postgresql://h/db" if secret.endswith("url") else "value")

    secrets: dict[str, Any] = {"_secrets_dir": tmp_path}

    settings = Settings(**secrets, data=tmp_path)

    assert settings.store_url == "postgresql://h/db"
    assert settings.secrets_key is not None
    assert settings.qdrant_api_key is not None


@pytest.mark.parametrize(("profile", "name"), POLICIES.items())
def test_a_policy_starts_with_its_profile_alone_on_a_gpu_and_only_gateways_reach_it(profile: str, name: str) -> None:
    service = SERVICES[name]

    assert service["profiles"] == [profile]
    assert service["networks"] == ["inside"]
    assert [one["capabilities"] for one in service["deploy"]["resources"]["reservations"]["devices"]] == [["gpu"]]
    assert all(str(volume).endswith(":ro") for volume in service["volumes"])


@pytest.mark.parametrize(("profile", "name"), POLICIES.items())
def test_the_values_of_a_profile_are_settings_that_reach_the_gateways_and_name_its_service(
    profile: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "deploy" / f"{profile}.env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    settings = Settings(data=tmp_path)
    [address] = [one for one in (settings.policy_url, settings.policy_chat_url) if one is not None]
    port = SERVICES[name]["command"][SERVICES[name]["command"].index("--port") + 1]

    assert values.pop("COMPOSE_PROFILES") == profile
    assert set(values) <= set(SERVICES["gateway-1"]["environment"]) & set(SERVICES["gateway-2"]["environment"])
    assert settings.policy_mode is PolicyMode.SHADOW
    assert address.get_secret_value().startswith(f"http://{name}:{port}")


def test_the_linter_finds_nothing_in_the_dockerfile_and_something_in_a_bad_one(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN apt-get install curl\n")

    assert lint(ROOT / "Dockerfile").stdout == ""
    assert lint(ROOT / "deploy" / "Dockerfile.policy").stdout == ""
    assert "DL3006" in lint(bad).stdout


def test_the_dockerfile_has_two_stages_and_ends_as_somebody_else_than_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert sum(line.startswith("FROM ") for line in lines) == 2
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_the_image_is_made_of_every_room_and_nothing_else_is_sent_to_the_builder() -> None:
    made = [ROOT / "Dockerfile", ROOT / "deploy" / "Dockerfile.policy"]
    lines = [{line for line in file.read_text().splitlines() if line.startswith("COPY ")} for file in made]
    copied = {line.split()[1] for line in lines[0] & lines[1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert rooms <= copied
    assert rooms <= sent


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("hadolint"), file], capture_output=True, text=True, check=False
    )
