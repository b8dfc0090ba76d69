"""The examples of docs/calendars.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tapeline.streams.calendars.artefacts import ARTEFACT_FILES
from tapeline.streams.calendars.overrides import read_overrides

pytestmark = pytest.mark.source_tree


@pytest.fixture
def page(repository_root: Path) -> str:
    return (repository_root / "docs" / "calendars.md").read_text(encoding="utf-8")


def examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_python_example_runs(page: str) -> None:
    (example,) = examples(page, "python")
    exec(example, {})


def test_the_example_of_an_override_is_one(page: str) -> None:
    (example,) = examples(page, "toml")
    (override,) = read_overrides(example, ARTEFACT_FILES)
    assert override.change == "early_close"


def test_the_page_names_every_day_of_the_override_file(page: str, repository_root: Path) -> None:
    path = repository_root / "streams" / "calendars" / "data" / "overrides.toml"
    overrides = read_overrides(path.read_text(encoding="utf-8"), ARTEFACT_FILES)
    assert [o.day for o in overrides if o.day.isoformat() not in page] == []
