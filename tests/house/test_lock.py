"""The locked versions are those that pyproject.toml asks for, each with its hashes and no host."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree

LOCK = ROOT / "requirements" / "dev.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIRECT = "tapeline (pyproject.toml)"


class Locked:
    """One entry of the lock."""

    def __init__(self, text: str) -> None:
        self.requirement = Requirement(text.partition("\\")[0])
        self.name = canonicalize_name(self.requirement.name)
        self.hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", text)
        self.direct = DIRECT in text


def entries() -> list[Locked]:
    found = re.split(r"^(?=[A-Za-z0-9])", LOCK.read_text("utf-8"), flags=re.MULTILINE)
    return [Locked(text) for text in found if not text.startswith("#")]


def wanted(extra: str | None = None) -> Iterator[Requirement]:
    """Requirements of the project, or of one of its extras and those it includes."""
    listed = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    for requirement in map(Requirement, listed):
        if requirement.name == PROJECT["name"]:
            for included in sorted(requirement.extras):
                yield from wanted(included)
        else:
            yield requirement


REQUIREMENTS = [*wanted(), *wanted("dev")]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_what_the_project_asks_for_is_locked(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    versions = [
        each.version
        for entry in entries()
        if entry.name == name
        for each in entry.requirement.specifier
    ]
    assert versions, f"{requirement} is not locked: make lock"
    assert all(map(requirement.specifier.contains, versions)), f"{versions}: make lock"


def test_nothing_is_locked_that_the_project_no_longer_asks_for() -> None:
    names = {canonicalize_name(each.name) for each in REQUIREMENTS}
    assert {entry.name for entry in entries() if entry.direct} == names


def test_every_locked_version_is_exact_and_has_its_hashes() -> None:
    found = entries()
    assert len(found) > 50
    for entry in found:
        assert [each.operator for each in entry.requirement.specifier] == ["=="], entry.name
        assert entry.hashes, entry.name


def test_the_lock_names_no_host() -> None:
    text = LOCK.read_text("utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_the_tests_install_the_lock_and_nothing_beside_it() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    locked = [line for line in installs if "--require-hashes" in line]
    projects = [line for line in installs if "--no-deps --no-build-isolation" in line]
    assert (len(locked), len(projects)) == (2, 2)
