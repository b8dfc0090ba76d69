"""The tutorial can be followed from an empty folder to its last step without a broker.

The last step is followed in tests/kafka/test_tutorial.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.docs.test_pages import ROOT
from tests.docs.test_replay_page import is_shown, run

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LAST = "## 10."


def steps(page: str) -> list[str]:
    """The text of each step."""
    return re.split(r"^(?=## \d+\.)", page, flags=re.MULTILINE)[1:]


def test_it_has_ten_steps() -> None:
    found = steps(PAGE.read_text("utf-8"))
    assert [step.split(".")[0] for step in found] == [f"## {number}" for number in range(1, 11)]


def test_each_step_before_the_last_prints_what_the_page_shows(tmp_path: Path) -> None:
    printed = ""
    compared = 0
    for step in steps(PAGE.read_text("utf-8")):
        if step.startswith(LAST):
            break
        for language, body in BLOCK.findall(step):
            if language == "toml":
                (tmp_path / "acme.toml").write_text(body, "utf-8")
            elif language == "python":
                (tmp_path / "session.py").write_text(body, "utf-8")
            elif language == "console":
                for line in body.splitlines():
                    printed = run(tmp_path, command(line))
            elif not language:
                assert is_shown(body, printed), (step, printed)
                compared += 1
    assert compared > 5


def command(line: str) -> str:
    """A line of the page as a shell runs it here."""
    path = f"PYTHONPATH={ROOT} " if (ROOT / "streams").is_dir() else ""
    return line.removeprefix("$ ").replace("python ", f"{path}{sys.executable} ")
