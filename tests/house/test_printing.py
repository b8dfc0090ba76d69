"""Everything that is printed or logged goes one way, and the guard notices what does not."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tests.house.printing import printing_faults
from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree

MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(*PACKAGES)]


@pytest.mark.parametrize("path", MODULES)
def test_a_module_prints_through_the_terminal_alone(path: Path) -> None:
    name = PurePosixPath(path.relative_to(ROOT).as_posix())
    assert printing_faults(path.read_text("utf-8"), name) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print(1)", "calls print"),
        ("import typer\ntyper.echo('x')", "calls typer.echo"),
        ("import sys\nsys.stderr.write('x')", "calls sys.stderr.write"),
        ("import sys\nout = sys.stdout.buffer", "uses sys.stdout.buffer"),
        ("import traceback\ntraceback.print_exc()", "calls traceback.print_exc"),
        ("import logging\nlogging.StreamHandler()", "calls logging.StreamHandler"),
        ("from rich.table import Table", "imports rich.table"),
        ("import rich.console", "imports rich.console"),
        ("def late() -> None:\n    from rich import print", "imports rich"),
    ],
)
def test_another_way_out_is_noticed(source: str, expected: str) -> None:
    [found] = printing_faults(source, PurePosixPath("streams/new.py"))
    assert (found.line, found.message) == (len(source.splitlines()), expected)


def test_the_way_out_itself_may_print() -> None:
    assert printing_faults("print(1)", PurePosixPath("streams/outputs/terminal.py")) == []
    drawn = PurePosixPath("replay/pace/progress.py")
    assert printing_faults("from rich.live import Live", drawn) == []
    assert len(printing_faults("print(1)", drawn)) == 1
