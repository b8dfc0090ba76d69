"""Files keep the house rules, documents agree with them, and the guards notice if not."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.house.repository import (
    LONGEST_MODULE,
    machine_paths,
    make_calls,
    make_targets,
    module_faults,
    shapeless_name,
    unfinished_marks,
)
from tests.house.source_tree import CODE, PACKAGES, ROOT, modules, text_files

pytestmark = pytest.mark.source_tree

TEXTS = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in text_files()]
MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(*CODE)]


@pytest.mark.parametrize("path", TEXTS)
def test_a_file_names_no_machine_and_nothing_unfinished(path: Path) -> None:
    text = path.read_text("utf-8", errors="replace")
    # This file holds the broken examples.
    if path != Path(__file__).resolve():
        assert machine_paths(text) == []
        assert unfinished_marks(text) == []


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_one_room(path: Path) -> None:
    relative = path.relative_to(ROOT)
    assert shapeless_name(PurePosixPath(relative.as_posix())) is None
    is_package = path.name == "__init__.py" and relative.parts[0] in PACKAGES
    assert module_faults(path.read_text("utf-8"), is_package=is_package) == []


def test_a_folder_of_modules_is_a_package_with_a_docstring() -> None:
    folders = {path.parent for path in modules(*PACKAGES)}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_no_compiled_module_shadows_a_source() -> None:
    compiled = [path for name in PACKAGES for path in (ROOT / name).rglob("*.so")]
    assert compiled == []


def test_continuous_integration_runs_the_test_target() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    commands = [line.strip() for line in script.read_text("utf-8").splitlines()]
    assert "make test" in commands


def test_every_lane_of_tests_ends_with_its_slowest_40() -> None:
    lines = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "").splitlines()
    runs = [line for line in lines if "-m pytest" in line and "TAPELINE_SOAK" not in line]
    assert len(runs) == 8
    assert [line for line in runs if "--durations=40" not in line] == []


def test_the_build_names_no_host() -> None:
    for name in ("Makefile", ".ci/run", "setup.py", "pyproject.toml"):
        assert "://" not in (ROOT / name).read_text("utf-8")


def test_documents_call_targets_that_exist() -> None:
    targets = make_targets((ROOT / "Makefile").read_text("utf-8"))
    assert {"run", "test", "compiled", "lint", "bench", "clean"} <= targets
    for document in text_files():
        if document.suffix == ".md":
            called = make_calls(document.read_text("utf-8"))
            assert called <= targets, document.name


def test_every_dependency_has_its_reason_written_down() -> None:
    document = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    names = {_name(requirement) for requirement in _requirements()} - {"tapeline"}
    assert "msgspec" in names
    assert [name for name in sorted(names) if f"`{name}`" not in document] == []


def test_the_compiling_build_uses_the_versions_that_are_tested() -> None:
    project = _project()
    extra = project["project"]["optional-dependencies"]["dev"]
    tested = {_name(each): each for each in (*project["project"]["dependencies"], *extra)}
    for requirement in project["build-system"]["requires"]:
        assert tested[_name(requirement)] == requirement


@pytest.mark.parametrize("name", ["aiokafka", "faust-streaming", "mode-streaming", "rocksdict"])
def test_what_faust_reaches_into_is_pinned_exactly(name: str) -> None:
    dependencies = _project()["project"]["dependencies"]
    assert [each for each in dependencies if re.fullmatch(rf"{name}==[\d.]+", each)]


def test_the_time_zone_data_are_pinned_exactly() -> None:
    dependencies = _project()["project"]["dependencies"]
    assert [each for each in dependencies if re.fullmatch(r"tzdata==[\d.]+", each)]


def test_the_version_has_an_entry_in_the_changelog() -> None:
    source = (ROOT / "tapeline" / "__init__.py").read_text("utf-8")
    version = re.search(r'__version__ = "([\d.]+)"', source)
    assert version is not None
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize(
    "line",
    ["cd /home/trader/books", "out = '/tmp/out'", "(/opt/kafka/bin)", "/root/.cache", "x /work/y"],
)
def test_a_machine_path_is_noticed(line: str) -> None:
    assert [found.line for found in machine_paths(f"first\n{line}\n")] == [2]


@pytest.mark.parametrize(
    "line", ["./opt/kafka/bin/tool", "docs/work/plan.md", "/var/lib/kafka", "/homework", "a/tmp/b"]
)
def test_another_path_passes(line: str) -> None:
    assert machine_paths(line) == []


@pytest.mark.parametrize("mark", ["# TO" + "DO: later", "FIX" + "ME", "(XX" + "X)"])
def test_an_unfinished_mark_is_noticed(mark: str) -> None:
    assert len(unfinished_marks(f"x = 1\n{mark}")) == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("streams/utils.py", "utils"),
        ("streams/common/files.py", "common"),
        ("streams/state_manager.py", "state_manager"),
        ("tests/helpers.py", "helpers"),
        ("streams/core/touches.py", None),
        ("streams/management.py", None),
    ],
)
def test_a_name_without_a_purpose_is_noticed(path: str, expected: str | None) -> None:
    assert shapeless_name(PurePosixPath(path)) == expected


@pytest.mark.parametrize(
    ("source", "is_package", "expected"),
    [
        ("x = 1\n" * LONGEST_MODULE, False, []),
        ("x = 1\n" * (LONGEST_MODULE + 1), False, ["501 lines: more than 500"]),
        ('"""Rooms."""\n', True, []),
        ("x = 1\n", True, ["a package without a docstring that names its purpose"]),
        ("x = 1\n", False, []),
        (
            "def f():\n    raise NotImplemented" + "Error\n",
            False,
            ["raises NotImplemented" + "Error: build it or leave it out"],
        ),
    ],
)
def test_a_fault_of_a_module_is_noticed(source: str, is_package: bool, expected: list[str]) -> None:
    assert [each.message for each in module_faults(source, is_package=is_package)] == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("Run `make test`.", {"test"}),
        ("```sh\nmake run\nPYTHON=python3.12 make test  # make sure\n```", {"run", "test"}),
        ("We make books and `make lint bench` too.", {"lint", "bench"}),
        ("Nothing to make here.", set()),
    ],
)
def test_calls_of_make_are_found_in_documents(document: str, expected: set[str]) -> None:
    assert make_calls(document) == expected


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _requirements() -> list[str]:
    project = _project()["project"]
    optional = project["optional-dependencies"].values()
    return [*project["dependencies"], *(each for group in optional for each in group)]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement, maxsplit=1)[0]
