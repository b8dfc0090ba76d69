"""The version of a strategy changes with what its signals depend on, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.streams.host.sources import read_source
from tapeline.streams.host.version import strategy_version

PLAIN = StrategyConfig(module="a.py:Fade", symbols=("ES", "NQ"), settings={"fast": 5, "slow": 20})


def version(folder: Path, strategy: StrategyConfig = PLAIN, **texts: str) -> str:
    """Of a strategy in a folder of its own."""
    folder.mkdir(exist_ok=True)
    for name, text in {"fade": "import levels", "levels": "LOW = 1", **texts}.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    return strategy_version(read_source(folder / "fade.py"), "Fade", strategy)


def test_it_is_twelve_digits_that_do_not_depend_on_where_the_file_lies(tmp_path: Path) -> None:
    found = version(tmp_path / "a")
    assert len(found) == 12
    assert int(found, 16) >= 0
    assert found == version(tmp_path / "b", replace(PLAIN, module="b.py:Fade"))


@pytest.mark.parametrize(
    "change",
    [
        {"symbols": ("ES",)},
        {"account": "other"},
        {"on_fault": "flatten"},
        {"allow": ("numpy",)},
        {"note_sessions": 2},
        {"settings": {"fast": 6, "slow": 20}},
    ],
)
def test_a_setting_that_decides_changes_it(tmp_path: Path, change: dict[str, Any]) -> None:
    assert version(tmp_path, replace(PLAIN, **change)) != version(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"muted": True},
        {"begin": "log"},
        {"symbols": ("NQ", "ES")},
        {"settings": {"slow": 20, "fast": 5}},
    ],
)
def test_what_decides_nothing_of_it_does_not(tmp_path: Path, change: dict[str, Any]) -> None:
    assert version(tmp_path, replace(PLAIN, **change)) == version(tmp_path)


def test_source_changes_it_where_it_is_imported(tmp_path: Path) -> None:
    plain = version(tmp_path)
    assert version(tmp_path, fade="import levels\n") != plain
    assert version(tmp_path, levels="LOW = 2") != plain
    assert version(tmp_path, other="LOW = 2") == plain
