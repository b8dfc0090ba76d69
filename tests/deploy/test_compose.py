"""The compose file is one, and what it runs exists."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from jsonschema import Draft201909Validator

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import built_in_config
from tapeline.streams.cli.main import COMMAND_LINE_ERROR, app
from tests.deploy.composition import IMAGE, composition, own_commands, services
from tests.docs.pages import blocks

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"
RELEASE = re.compile(r"^[\w./-]+:v?\d+\.\d+\.\d+$")
SERVICES = services(ROOT)
COMMANDS = own_commands(ROOT)
ONE_SHOT = {"topics", "books"}


def parse(arguments: list[str]) -> None:
    """Have the command line's own parser take arguments; nothing runs."""
    command: Any = typer.main.get_command(app)
    words = list(arguments)
    context = command.make_context("tapeline", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(
            name, list(words), parent=context, resilient_parsing=hasattr(command, "commands")
        )
        if hasattr(command, "commands"):
            # A group may name the command that is meant: `sample FOLDER`.
            words = [*context._protected_args, *context.args]


def test_the_file_is_one_of_the_compose_specification() -> None:
    schema = json.loads((DATA / "compose_spec.json").read_text("utf-8"))
    # The file calls its identifiers as the draft before did; a validator must not look them up.
    errors = Draft201909Validator(schema).iter_errors(composition(ROOT))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_a_misspelt_key_would_be_noticed() -> None:
    schema = json.loads((DATA / "compose_spec.json").read_text("utf-8"))
    found = composition(ROOT)
    found["services"]["kafka"]["health_check"] = found["services"]["kafka"].pop("healthcheck")
    assert not Draft201909Validator(schema).is_valid(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_one_that_the_command_line_takes(name: str) -> None:
    parse(COMMANDS[name])


def test_an_option_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(COMMAND_LINE_ERROR):
        parse([*COMMANDS["worker-0"], "--no-such-option"])


def test_two_workers_of_different_ordinals_and_volumes_share_the_work() -> None:
    workers = {name: each for name, each in SERVICES.items() if name.startswith("worker-")}
    assert len(workers) == 2
    assert len({tuple(each["volumes"]) for each in workers.values()}) == 2
    for name, worker in workers.items():
        assert f"--instance={name.removeprefix('worker-')}" in worker["command"]
        assert "/readyz" in worker["healthcheck"]["test"][-1]


def test_a_host_runs_strategies_that_need_nothing_that_the_workers_do_not_compute() -> None:
    host = SERVICES["host"]
    (folder,) = [each for each in host["volumes"] if each.startswith("./")]
    option = next(each for each in host["command"] if each.startswith("--config="))
    file = ROOT / folder.split(":")[0] / Path(option).name
    config = load_config(file)
    assert [name for name, each in config.strategies.items() if each.enabled] != []
    # A worker without this file makes the same snapshots.
    plain = built_in_config()
    for symbol in {each for found in config.strategies.values() for each in found.symbols}:
        assert config.instrument(symbol) == plain.instrument(symbol)
    assert (config.derived, config.groups) == (plain.derived, plain.groups)
    assert "/readyz" in host["healthcheck"]["test"][-1]


def test_an_image_of_others_is_a_release_by_its_full_number() -> None:
    images = {each["image"] for each in SERVICES.values()} - {IMAGE}
    assert [image for image in images if not RELEASE.match(image)] == []
    assert any(image.startswith("apache/kafka:4.1.") for image in images)


def test_ports_are_open_to_this_machine_alone_and_no_two_services_want_the_same() -> None:
    ports = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert len(ports) >= 6
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    outside = [port.split(":")[1] for port in ports]
    assert len(outside) == len(set(outside))


def test_clients_of_this_machine_find_the_broker_where_the_configuration_looks_for_it() -> None:
    assert built_in_config().kafka.bootstrap in SERVICES["kafka"]["ports"][0]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_stays_reports_whether_it_is_well(name: str) -> None:
    stays = name not in ONE_SHOT | {"feed", "signals", "touches"}
    assert ("healthcheck" in SERVICES[name]) == stays


def test_whatever_runs_once_is_waited_for() -> None:
    # Else `up --wait` takes its end for a failure.
    waited = {
        other
        for each in SERVICES.values()
        if "profiles" not in each
        for other, how in each.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert waited == ONE_SHOT


def test_what_is_kept_lies_in_named_volumes() -> None:
    named = set(composition(ROOT)["volumes"])
    used = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert volume.endswith(":ro"), volume
            else:
                used.add(source)
    assert used == named


def test_our_services_have_no_privileges() -> None:
    for name, service in SERVICES.items():
        assert "privileged" not in service, name
        if service["image"] == IMAGE:
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert "user" not in service, name


def test_tools_and_monitoring_start_only_when_they_are_asked_for() -> None:
    profiles = {
        name: each["profiles"]
        for name, each in SERVICES.items()
        if each["image"] != IMAGE
        if "profiles" in each
    }
    assert profiles == {
        "kafka-ui": ["tools"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_no_password_is_in_the_file() -> None:
    keys = [key for each in SERVICES.values() for key in each.get("environment", {})]
    assert [key for key in keys if re.search("PASSWORD|SECRET|TOKEN", key)] == []


def test_commands_of_compose_that_pages_show_name_services_and_profiles_that_exist() -> None:
    profiles = {profile for each in SERVICES.values() for profile in each.get("profiles", [])}
    pages = [ROOT / "README.md", ROOT / "docs" / "operations.md", ROOT / "docker-compose.yml"]
    shown = [
        line
        for page in pages
        for line in re.findall(r"docker compose ([^\n`]*)", page.read_text("utf-8"))
    ]
    assert len(shown) >= 6
    for line in shown:
        for profile in re.findall(r"--profile (\w+)", line):
            assert profile in profiles, line
        found = re.search(r"\b(?:run --rm|logs(?: -f)?|stop|restart|kill|exec) ([a-z][\w-]*)", line)
        if found:
            assert found[1] in SERVICES, line


def test_commands_of_ours_that_pages_show_in_a_shell_are_taken() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    shown = [
        line.partition("#")[0].strip().removesuffix("&").strip()
        for page in pages
        for body in blocks(page, "sh")
        for line in body.splitlines()
        if line.startswith("tapeline ")
    ]
    assert len(shown) >= 4
    for line in shown:
        parse(shlex.split(line)[1:])
