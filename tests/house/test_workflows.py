"""Workflows and hooks are read as what they are, and what they call exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


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


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_step_uses_an_action_of_a_version_or_runs_what_is_here(path: Path) -> None:
    found = steps(read(path))
    assert found
    for step in found:
        if "uses" in step:
            assert "@v" in step["uses"]
        else:
            assert (ROOT / step["run"]).is_file(), step


def test_changes_are_checked_on_the_versions_of_python_that_are_promised() -> None:
    job = read(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]["checks"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_hooks_are_programs_of_the_environment() -> None:
    config = read(ROOT / ".pre-commit-config.yaml")
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "guards"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
