"""`tapeline` is what users import: complete, lazy, and without a second copy of anything."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tapeline
from tests.docs.pages import blocks, pages
from tests.house.source_tree import CODE, PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree

PUBLIC = re.compile(r"^\s*(?:from|import) (tapeline[\w.]*|streams\b[\w.]*|schemas\b[\w.]*)", re.M)


@pytest.mark.parametrize("name", tapeline.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(tapeline, name) is not None
    assert name in dir(tapeline)


def test_what_types_see_is_what_runs() -> None:
    source = (ROOT / "tapeline" / "__init__.py").read_text("utf-8")
    seen = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tapeline.")
        for alias in node.names
    }
    assert seen | {"__version__"} == set(tapeline.__all__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'replays'"):
        getattr(tapeline, "replays")  # noqa: B009


@pytest.mark.parametrize(
    ("statement", "unloaded"),
    [
        ("import tapeline", ("faust", "aiokafka", "rocksdict", "msgspec", "typer")),
        ("from tapeline import Touch, decode_event", ("faust", "aiokafka", "rocksdict", "typer")),
        ("from tapeline import Subscription", ("faust", "rocksdict", "typer")),
        ("from tapeline import Replay", ("faust", "typer")),
        # What every command waits for at its start.
        ("import tapeline.streams.cli.main", ("faust", "aiohttp")),
    ],
)
def test_an_import_loads_no_more_than_it_needs(statement: str, unloaded: tuple[str, ...]) -> None:
    program = f"import sys\n{statement}\nprint(*(set(sys.modules) & set({unloaded!r})))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_a_page_imports_from_the_package_alone(page: Path) -> None:
    found = {name for body in blocks(page, "python") for name in PUBLIC.findall(body)}
    assert found <= {"tapeline"}


@pytest.mark.parametrize("path", modules("examples"), ids=lambda path: path.name)
def test_an_example_imports_from_the_package_alone(path: Path) -> None:
    assert set(PUBLIC.findall(path.read_text("utf-8"))) <= {"tapeline"}


def test_nothing_is_imported_by_the_bare_name_of_a_folder() -> None:
    bare = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(PACKAGES)})\b", re.MULTILINE)
    found = [str(path) for path in modules(*CODE) if bare.search(path.read_text("utf-8"))]
    # The guard of arrows has them as examples, in texts.
    assert [name for name in found if not name.endswith("test_arrows.py")] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_folder_is_part_of_the_package_by_a_link(name: str) -> None:
    link = ROOT / "tapeline" / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name


def test_a_users_own_folders_of_these_names_are_his(tmp_path: Path) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OWN = True\n", "utf-8")
    program = (
        "import schemas, streams, replay, tapeline\n"
        "from tapeline import Bar, GroupEngine, Replay, run_files\n"
        "assert schemas.OWN and streams.OWN and replay.OWN\n"
        "print(tapeline.__version__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == [tapeline.__version__], done.stderr
