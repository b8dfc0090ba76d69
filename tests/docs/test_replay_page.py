"""The page on replays: every command runs, in its order, and prints what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.test_pages import ROOT

PAGE = ROOT / "docs" / "replay.md"
STEP = re.compile(r"^```console\n(.*?)^```\n(?:^```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(
    r"^```python\n((?:(?!```).)*)```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL
)
ELISION = "..."


def run(folder: Path, command: str) -> str:
    """What a command line prints; ``tapeline`` is the one of this tree."""
    path = f"PYTHONPATH={ROOT} " if (ROOT / "streams").is_dir() else ""
    shell = f'tapeline() {{ {path}{sys.executable} -m tapeline "$@"; }}\n{command}'
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120", "NO_COLOR": "1", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    # A check that finds a difference ends with 1.
    assert done.returncode in (0, 1), (command, done.stderr)
    return done.stdout


def is_shown(shown: str, printed: str) -> bool:
    """Whether the page shows what was printed; ``...`` means anything, also for lines."""
    pieces = [re.escape(piece.strip()) for piece in _squeezed(shown).split(ELISION)]
    return re.fullmatch(".*?".join(pieces), _squeezed(printed), re.DOTALL) is not None


def _squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def test_the_commands_of_the_page_print_what_it_shows(tmp_path: Path) -> None:
    steps = STEP.findall(PAGE.read_text())
    assert len(steps) > 3
    for commands, shown in steps:
        lines = [line.removeprefix("$ ") for line in commands.splitlines()]
        printed = [run(tmp_path, line) for line in lines]
        if shown:
            assert is_shown(shown, printed[-1]), printed[-1]


def test_the_program_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    [(program, shown)] = PROGRAM.findall(PAGE.read_text())
    (tmp_path / "rule.py").write_text(program)
    path = f"PYTHONPATH={ROOT} " if (ROOT / "streams").is_dir() else ""
    printed = run(tmp_path, f"{path}{sys.executable} rule.py")
    assert printed == shown


def test_an_elision_means_anything_and_nothing_else_does() -> None:
    assert is_shown("a ... c\n...\ne", "a b c\nd\nd\ne")
    assert not is_shown("a\nc", "a\nb\nc")
