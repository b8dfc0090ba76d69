"""Imports point one way, and the guard of that notices when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.arrows import (
    calendar_tool_imports,
    cycle,
    forbidden_imports,
    module_graph,
    siblings,
)
from tests.house.source_tree import PACKAGES, module_name, modules

pytestmark = pytest.mark.source_tree

MODULES = [
    pytest.param(path, id=module_name(path)) for path in modules(*PACKAGES) if path.stat().st_size
]


@pytest.mark.parametrize("path", MODULES)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    found = forbidden_imports(
        path.read_text("utf-8"), module_name(path), is_package=path.name == "__init__.py"
    )
    assert found == []


def test_no_module_that_runs_imports_the_calendar_tool() -> None:
    sources = {module_name(path): path.read_text("utf-8") for path in modules(*PACKAGES)}
    assert calendar_tool_imports(sources) == []


def test_the_guard_sees_every_room() -> None:
    names = {module_name(path) for path in modules(*PACKAGES)}
    assert {"schemas", "streams", "streams.core", "replay"} <= names
    assert any(name.startswith("streams.core.") for name in names)


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("schemas.records", "import tapeline.streams", "schemas imports tapeline.streams"),
        (
            "schemas.records",
            "from tapeline.streams.core import calendar",
            "schemas imports tapeline.streams.core",
        ),
        ("schemas.records", "import tapeline.replay", "schemas imports tapeline.replay"),
        ("schemas.records", "import streams", "a second copy of tapeline.streams"),
        ("schemas.records", "from schemas.events import Gap", "a second copy of tapeline.schemas"),
        ("schemas.records", "import aiokafka", "schemas imports aiokafka"),
        (
            "streams.core.engine",
            "import tapeline.streams.embedded",
            "imports tapeline.streams.embedded",
        ),
        (
            "streams.core.engine",
            "from tapeline.streams import embedded",
            "imports tapeline.streams.embedded",
        ),
        ("streams.core.engine", "from .. import embedded", "imports tapeline.streams.embedded"),
        (
            "streams.core.engine",
            "from ..feeds.files import rows",
            "imports tapeline.streams.feeds.files",
        ),
        ("schemas.records", "import tapeline.streams.core", "imports tapeline.streams.core"),
        (
            "streams.core.engine",
            "import tapeline.streams.calendars",
            "imports tapeline.streams.calendars",
        ),
        ("streams.core.engine", "import tapeline.replay", "imports tapeline.replay"),
        ("streams.core.engine", "import msgspec", "core imports msgspec"),
        ("streams.core.engine", "import orjson", "core imports orjson"),
        ("streams.core.engine", "import time", "core imports time"),
        ("streams.core.engine", "import os.path", "core imports os.path"),
        ("streams.core.engine", "from os import path", "core imports os"),
        ("streams.core.engine", "import math, random", "core imports random"),
        ("streams.core.engine", "from zoneinfo import ZoneInfo", "core imports zoneinfo"),
        ("streams.core.engine", "from asyncio import *", "core imports asyncio"),
        ("streams.core.engine", "def late() -> None:\n    import time", "core imports time"),
        (
            "streams.core.engine",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pathlib",
            "core imports pathlib",
        ),
        ("streams.calendars", "import tapeline.streams.feeds", "imports tapeline.streams.feeds"),
        (
            "streams.pipeline.planning",
            "import tapeline.streams.embedded",
            "imports tapeline.streams.embedded",
        ),
        (
            "streams.feeds.files",
            "from tapeline.streams.cli import main",
            "imports tapeline.streams.cli",
        ),
        ("streams.embedded", "import tapeline.streams.cli", "imports tapeline.streams.cli"),
        (
            "streams.embedded",
            "from tapeline.streams.worker import app",
            "imports tapeline.streams.worker",
        ),
        ("streams.embedded", "import faust", "only streams.worker may"),
        ("streams.cli", "from mode import Service", "only streams.worker may"),
        ("streams.cli", "from tests.oracle import bars", "do not know tests"),
        (
            "streams.worker.app",
            "import tapeline.streams.embedded",
            "imports tapeline.streams.embedded",
        ),
        (
            "streams.worker.app",
            "import tapeline.streams.drill.crew",
            "imports tapeline.streams.drill.crew",
        ),
        (
            "streams.worker.bridge.table",
            "from tapeline.streams.worker import fold",
            "streams.worker.bridge imports tapeline.streams.worker.fold",
        ),
        (
            "streams.worker.state.records",
            "import tapeline.streams.worker.committer",
            "streams.worker.state imports tapeline.streams.worker.committer",
        ),
        (
            "streams.worker.state.records",
            "from ..bridge.table import StateTable",
            "streams.worker.state imports tapeline.streams.worker.bridge.table",
        ),
        ("streams.drill.drill", "import tapeline.streams.cli", "imports tapeline.streams.cli"),
        ("streams.drill.drill", "import faust", "only streams.worker may"),
        (
            "streams.store.keeper",
            "import tapeline.streams.store.run",
            "imports tapeline.streams.store.run",
        ),
        (
            "streams.store.run",
            "import tapeline.streams.embedded",
            "imports tapeline.streams.embedded",
        ),
        ("streams.store.run", "import rocksdict", "only streams.store.database and"),
        (
            "streams.store.run",
            "import tapeline.streams.cli.store",
            "imports tapeline.streams.cli.store",
        ),
        (
            "streams.kafka.reader",
            "import tapeline.streams.worker.app",
            "imports tapeline.streams.worker.app",
        ),
        ("replay.reader", "import tapeline.streams.cli", "imports tapeline.streams.cli"),
    ],
)
def test_a_wrong_arrow_is_noticed(module: str, source: str, expected: str) -> None:
    found = forbidden_imports(source, module)
    assert len(found) == 1
    assert expected in found[0].message
    assert found[0].line == len(source.splitlines())


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "schemas.codec",
            "import tomllib\nimport msgspec\nfrom tapeline.schemas.records import Bar",
        ),
        ("streams.core.engine", "from tapeline.schemas.records import Bar"),
        ("streams.core.engine", "from . import calendar\nfrom .touches import Touches"),
        ("streams.core.engine", "from collections.abc import Iterator\nfrom bisect import bisect"),
        ("streams.calendars", "from tapeline.streams.core.calendar import Calendar"),
        ("streams.feeds.files", "import tapeline.streams.pipeline.planning\nimport gzip"),
        (
            "streams.embedded",
            "from tapeline.streams.feeds import files\nimport tapeline.streams.core.engine",
        ),
        ("streams.worker.app", "import faust\nfrom mode import Service\nimport aiokafka"),
        (
            "streams.worker.bridge.table",
            "from tapeline.streams.worker.state.records import Pair\nfrom .chunks import Positions",
        ),
        ("streams.worker.app", "from tapeline.streams.worker.bridge.table import StateTable"),
        ("replay.reader", "import aiokafka\nfrom tapeline.streams.core.engine import GroupEngine"),
        (
            "streams.drill.drill",
            "from tapeline.streams.worker import runner\nimport tapeline.streams.pipeline.routing",
        ),
        ("streams.cli", "import tapeline.replay\nfrom tapeline.streams.worker import app"),
    ],
)
def test_a_right_arrow_passes(module: str, source: str) -> None:
    assert forbidden_imports(source, module) == []


def test_a_relative_import_in_a_package_file_counts_from_the_package() -> None:
    source = "from .engine import GroupEngine"
    assert forbidden_imports(source, "streams.core", is_package=True) == []
    assert forbidden_imports("from ..cli import main", "streams.core", is_package=True) != []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"streams.calendars.make": "import pandas"}, []),
        ({"streams.feeds.files": "import pandas as pd"}, ["streams.feeds.files"]),
        (
            {
                "streams.calendars.make": "def f() -> None:\n    import exchange_calendars",
                "streams.calendars": "from tapeline.streams.calendars.make import f",
            },
            ["streams.calendars"],
        ),
        (
            {
                "streams.calendars.make": "from pandas_market_calendars import get_calendar",
                "streams.cli": "from tapeline.streams.calendars import make",
            },
            ["streams.cli"],
        ),
    ],
)
def test_the_calendar_tool_stays_out_of_what_runs(
    sources: dict[str, str], expected: list[str]
) -> None:
    assert calendar_tool_imports(sources) == expected


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Imports of every module of the product."""
    paths = {module_name(path): path for path in modules(*PACKAGES)}
    packages = frozenset(name for name, path in paths.items() if path.name == "__init__.py")
    texts = {name: path.read_text("utf-8") for name, path in paths.items()}
    return module_graph(texts, packages)


def test_no_module_imports_itself_over_others(graph: dict[str, set[str]]) -> None:
    assert sum(map(len, graph.values())) > 1_000
    assert cycle(graph) == []


@pytest.mark.parametrize(
    ("parent", "one", "other"),
    [
        ("replay", "results", "sources"),
        ("streams", "worker", "kafka"),
        ("streams.worker", "bridge", "state"),
        ("streams.core", "ranges", "history"),
    ],
)
def test_the_rooms_of_a_folder_import_one_way(
    graph: dict[str, set[str]], parent: str, one: str, other: str
) -> None:
    rooms = siblings(graph, parent)
    assert rooms[one] >= {other}
    assert cycle(rooms) == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"a.x": "from tapeline.a import y", "a.y": "from tapeline.a.x import Y"}, ["a.x", "a.y"]),
        (
            {"a.x": "def f():\n    import tapeline.a.y", "a.y": "import tapeline.a.x"},
            ["a.x", "a.y"],
        ),
        ({"a.x": "from tapeline.a import y", "a.y": "from tapeline.a.z import Z", "a.z": ""}, []),
    ],
)
def test_a_cycle_is_noticed(texts: dict[str, str], expected: list[str]) -> None:
    assert sorted(cycle(module_graph(texts, frozenset()))) == expected


def test_rooms_that_import_each_other_are_noticed() -> None:
    graph = {"a.b.x": {"a.c.y"}, "a.c.y": {"a.z"}, "a.c.w": {"a.b.x"}, "a.z": set[str]()}
    assert cycle(graph) == []
    assert sorted(cycle(siblings(graph, "a"))) == ["b", "c"]
