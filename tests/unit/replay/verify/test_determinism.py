"""Equal bytes in any surroundings; whatever makes them unequal is found and named."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

import tapeline
from tapeline.replay.run import ReplayOptions
from tapeline.replay.verify.determinism import (
    VARIATIONS,
    DeterminismReport,
    FirstDifference,
    VariantOutcome,
    Variation,
    check_determinism,
    first_line,
)
from tapeline.streams.calendars.artefacts import checksum
from tests.unit.replay.processes.test_parent import origin_of, write_log
from tests.unit.replay.run.test_stretches import CONFIG, records


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    write_log(path, records(4, 2)[:400])
    return path


@pytest.fixture
def tampered(tmp_path: Path) -> Path:
    """A copy of the package that processes of a replay can be made to use."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(tapeline.__file__).parent, tmp_path / "code" / "tapeline", ignore=ignored)
    return tmp_path / "code"


def checked(log: Path, *variations: Variation) -> DeterminismReport:
    return check_determinism(CONFIG, origin_of(log), ReplayOptions(), variations)


def test_the_same_stretch_gives_the_same_bytes_in_all_surroundings(log: Path) -> None:
    seen: list[VariantOutcome] = []
    report = check_determinism(CONFIG, origin_of(log), ReplayOptions(), VARIATIONS, seen.append)
    assert report.equal
    assert seen == report.outcomes
    assert {each.events for each in seen} == {seen[0].events} != {0}
    assert len({json.dumps(each.variation.environment) for each in seen}) == len(VARIATIONS)


TAMPERED: dict[str, tuple[str, str, str, Variation]] = {
    "the order of a hash": (
        "streams/outputs/run_folder.py",
        "for event in events:",
        "for event in sorted(events, key=lambda each: hash(each.id)):",
        Variation("other seed", {"PYTHONHASHSEED": "2"}),
    ),
    "the order of the pieces": (
        "replay/fold.py",
        "self._out.append(\n",
        "self._out.insert(\n            0,\n",
        Variation("one by one", {"PYTHONHASHSEED": "1"}, fetch_records=1),
    ),
    "the time zone of the machine": (
        "streams/outputs/run_folder.py",
        "for event in events:",
        "for event in events[:: -1 if __import__('time').localtime(0).tm_hour else 1]:",
        Variation("elsewhere", {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata"}),
    ),
    "the split of the groups": (
        "replay/processes/parent.py",
        "return result[:3]",
        "return (0, 0, 0)",
        Variation("two processes", {"PYTHONHASHSEED": "1", "TZ": "UTC"}, processes=2),
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_an_output_that_depends_on_something_else_is_found(
    log: Path, tampered: Path, name: str
) -> None:
    module, text, instead, variation = TAMPERED[name]
    path = tampered / "tapeline" / module
    assert path.read_text().count(text) == 1
    path.write_text(path.read_text().replace(text, instead))
    first = Variation("first", {"PYTHONHASHSEED": "1", "TZ": "UTC", "PYTHONPATH": str(tampered)})
    environment = {"TZ": "UTC", **variation.environment, "PYTHONPATH": str(tampered)}
    other = Variation(variation.name, environment, variation.fetch_records, variation.processes)
    report = checked(log, first, first, other)
    assert [each.difference is None for each in report.outcomes] == [True, True, False]
    found = report.outcomes[2].difference
    assert found is not None
    assert found.what.startswith("tape.")
    assert " line " in found.what
    assert found.first != found.now


def test_another_table_of_a_time_zone_is_found(log: Path, tmp_path: Path) -> None:
    """Of the same version and in a table that no output shows: the table itself is compared."""
    shutil.copytree(str(files("tzdata")), tmp_path / "tzdata")
    zones = tmp_path / "tzdata" / "zoneinfo" / "America"
    shutil.copyfile(zones / "Toronto", zones / "New_York")
    report = checked(
        log, Variation("first", {}), Variation("other table", {"PYTHONPATH": str(tmp_path)})
    )
    found = report.outcomes[1].difference
    assert found is not None
    assert found.what == "time zone America/New_York"


def test_another_version_of_the_time_zones_is_found(log: Path, tmp_path: Path) -> None:
    shutil.copytree(str(files("tzdata")), tmp_path / "tzdata")
    with (tmp_path / "tzdata" / "__init__.py").open("a") as file:
        file.write('\n__version__ = "1999.1"\n')
    report = checked(
        log, Variation("first", {}), Variation("old table", {"PYTHONPATH": str(tmp_path)})
    )
    found = report.outcomes[1].difference
    assert found is not None
    assert (found.what, found.now) == ("time_zone_version", "1999.1")


def test_another_calendar_is_found(log: Path, tampered: Path) -> None:
    path = tampered / "tapeline" / "streams" / "calendars" / "data" / "cme_equity.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    document["closed"] = document["closed"][:-1]
    document["sha256"] = checksum(document)
    path.write_text(json.dumps(document))
    report = checked(
        log, Variation("first", {}), Variation("other days", {"PYTHONPATH": str(tampered)})
    )
    found = report.outcomes[1].difference
    assert found is not None
    assert (found.what, found.now) == ("calendar CME_EQUITY", document["sha256"])


@pytest.mark.parametrize(
    ("first", "now", "found"),
    [
        (b"a\nb\n", b"a\nb\n", None),
        (b"a\nb\n", b"b\na\n", FirstDifference("line 1", "a", "b")),
        (b"a\nb\n", b"a\n", FirstDifference("line 2", "b", None)),
        (b"", b"a\n", FirstDifference("line 1", None, "a")),
    ],
)
def test_the_first_line_that_differs_is_named(
    tmp_path: Path, first: bytes, now: bytes, found: FirstDifference | None
) -> None:
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "now").write_bytes(now)
    assert first_line(tmp_path / "first", tmp_path / "now") == found
