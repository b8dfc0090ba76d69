"""The source of a strategy is its file and what it imports of its own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.host.sources import StrategyLoadError, read_source


def write(folder: Path, **texts: str) -> Path:
    """Files by dotted name; that of `fade`."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "fade.py"


def test_modules_of_the_folder_are_read_as_far_as_they_are_imported(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        fade="import levels\nfrom rules import sides\nimport json",
        levels="def f():\n    import sizes",
        sizes="",
        rules__sides="",
        other="",
        json="",
    )
    (tmp_path / "rules" / "__init__.py").write_text("from .late import x", "utf-8")
    (tmp_path / "rules" / "late.py").write_text("from . import sides", "utf-8")
    found = read_source(file)
    names = ["fade", "levels", "rules", "rules.late", "rules.sides", "sizes"]
    assert list(found.texts) == names
    assert found.own == tuple(name for name in names if name != "fade")
    assert found.file_of("rules.late") == tmp_path / "rules" / "late.py"


def test_a_folder_without_a_file_of_its_own_holds_modules_too(tmp_path: Path) -> None:
    file = write(tmp_path, fade="import rules.deep.low\nimport gone.low", rules__deep__low="")
    assert list(read_source(file).texts) == ["fade", "rules.deep.low"]


def test_modules_that_import_each_other_are_read_once(tmp_path: Path) -> None:
    file = write(tmp_path, fade="import a", a="import b", b="import a")
    assert list(read_source(file).texts) == ["a", "b", "fade"]


def test_in_a_package_its_modules_are_known_by_the_name_of_the_package(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        fade="from desk.rules import low\nfrom . import high\nimport low as other\nimport json",
        low="",
        high="from desk.rules.low import x",
        json="",
    )
    found = read_source(file, "desk.rules")
    assert list(found.texts) == ["fade", "high", "low"]
    assert found.own == ("desk.rules.high", "desk.rules.low")
    assert found.importable == ("desk.rules",)
    assert found.file_of("desk.rules.low") == tmp_path / "low.py"


@pytest.mark.parametrize(
    ("text", "reason"),
    [(b"def f(:\n", "is no Python"), (b"\xff", "is not UTF-8"), (b"\0", "is no Python")],
)
def test_what_is_no_python_is_named(tmp_path: Path, text: bytes, reason: str) -> None:
    file = write(tmp_path, fade="import low")
    (tmp_path / "low.py").write_bytes(text)
    with pytest.raises(StrategyLoadError, match=f"low.py: {reason}"):
        read_source(file)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrategyLoadError, match=r"fade.py: cannot be read: No such file"):
        read_source(tmp_path / "fade.py")
