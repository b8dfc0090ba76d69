"""Workflows and hooks are read as what they are, and what they call exists."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import make_targets
from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSIONS = [
    each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r" :: 3\.\d+$", each)
]
"""Versions of Python that are promised."""
# GitHub's own actions have a tag of each major version; others, such as cibuildwheel, have none.
ACTION = re.compile(r"actions/[a-z-]+@v\d+|[\w-]+/[\w-]+@v\d+\.\d+(\.\d+)?")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_alone_and_ends_in_time(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert [job for job in workflow["jobs"].values() if job["timeout-minutes"] > 60] == []


def missing(commands: str) -> list[str]:
    """Lines that are no call of a target of the Makefile, of a script that is here or of ours."""
    targets = make_targets((ROOT / "Makefile").read_text("utf-8"))
    found = []
    for line in commands.splitlines():
        program, *rest = line.split() or [""]
        if program == "make":
            here = bool(rest) and {each for each in rest if "=" not in each} <= targets
        else:
            script = ROOT / program
            here = script.is_file() and os.access(script, os.X_OK)
        if not here and program not in PROJECT["scripts"]:
            found.append(line)
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_step_uses_an_action_of_a_version_or_runs_what_is_here(path: Path) -> None:
    found = steps(read(path))
    assert found
    for step in found:
        assert ("uses" in step) != ("run" in step), step
        if "uses" in step:
            assert ACTION.fullmatch(step["uses"])
        else:
            assert missing(step["run"]) == []


@pytest.mark.parametrize(
    "line",
    ["make tset", "make test PYTHON=3.13 speed", "make", ".ci/walk", "setup.py", "pip install ."],
)
def test_a_command_of_what_is_not_here_is_noticed(line: str) -> None:
    assert missing(f".ci/run\nmake lint test PYTHON=python3.13\ntapeline --version\n{line}") == [
        line
    ]


@pytest.mark.parametrize("action", ["owner/action@v2", "actions/checkout@main", "owner/action"])
def test_an_action_that_may_be_another_one_tomorrow_is_noticed(action: str) -> None:
    assert not ACTION.fullmatch(action)


def test_changes_are_checked_on_the_versions_of_python_that_are_promised() -> None:
    job = read(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]["checks"]
    assert job["strategy"]["matrix"]["python"] == VERSIONS
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


def test_wheels_are_built_compiled_for_the_same_versions_and_start() -> None:
    environment = read(ROOT / ".github" / "workflows" / "wheels.yml")["jobs"]["compiled"]["env"]
    built = [f"cp{version.replace('.', '')}-*" for version in VERSIONS]
    assert environment["CIBW_BUILD"].split() == built
    variable, _, value = environment["CIBW_ENVIRONMENT"].partition("=")
    assert f'os.environ.get("{variable}") != "{value}"' in (ROOT / "setup.py").read_text("utf-8")
    assert missing(environment["CIBW_TEST_COMMAND"]) == []


def test_hooks_are_programs_of_the_environment() -> None:
    config = read(ROOT / ".pre-commit-config.yaml")
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "guards"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
