"""docs/strategies.md names every hook, field and method there is; its example runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tapeline.streams.host.needs import Needs, Setup
from tapeline.streams.host.now import Now
from tapeline.streams.host.signal import Signal
from tapeline.streams.host.strategy import Strategy
from tapeline.streams.host.view.view import View
from tests.docs.pages import blocks
from tests.house.source_tree import ROOT
from tests.unit.streams.host.scene import ACME, HostScene

PAGE = ROOT / "docs" / "strategies.md"
TEXT = re.sub(r"^```.*?^```", "", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def methods(owner: type) -> list[str]:
    return [name for name, member in vars(owner).items() if callable(member) and name[0] != "_"]


def words() -> set[str]:
    """Names in the text of the page that are code."""
    return set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", TEXT))))


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            *methods(Strategy),
            *(set(methods(View)) - {"connect"}),
            *methods(Now),
            *Needs.__struct_fields__,
            *Signal.__struct_fields__,
            *Setup.__struct_fields__,
        }
    ),
)
def test_the_page_names_it(name: str) -> None:
    assert name in words()


def test_the_example_runs() -> None:
    [source] = blocks(PAGE, "python")
    module: dict[str, Any] = {}
    exec(compile(source, "page", "exec"), module)
    config = (
        ACME + 'indicators = ["own"]\n'
        '[indicators.own]\nlist = ["sma(5)", "sma(20)"]\nintervals = ["5m"]\n'
    )
    scene = HostScene(config, module["Crossover"])
    scene.bars(120, 100.0)
    scene.bars(30, 101.0)
    scene.bars(60, 99.0)
    assert [each.action for each in scene.view("signal").values()][-2:] == ["buy", "sell"]
    assert scene.of("strategy")[-1].state == "running"
