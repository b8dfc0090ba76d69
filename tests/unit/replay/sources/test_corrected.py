"""Final bars of a log: what is read of it, and how runs over them are repeated and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.fold import selected
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.corrected import CorrectedSource
from tapeline.replay.sources.items import Extent
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.cli.main import main
from tapeline.streams.feeds.samples import sample_book
from tests.unit.replay.memory_source import MemorySource, live, partitioned

CONFIG = read_config(
    '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\nranges = ["prior_session"]\n'
    '[instruments.BBB]\ntick = 0.01\ncalendar = "24/7"\nranges = ["prior_session"]\n',
    "test",
)
PARTITIONS = 3
OPEN_MS = 1_765_238_400_000
MINUTE_MS = 60_000
STRANGER = b'{"type":"bar","symbol":"BBB"}'


def minutes(symbol: str, count: int) -> list[LogRecord | bytes]:
    return [
        Bar(symbol, "1m", OPEN_MS + minute * MINUTE_MS, 99.5, 100.0, 99.0, 99.5, 1, "live")
        for minute in range(count)
    ]


def source(*records: LogRecord | bytes, partitions: int = PARTITIONS) -> MemorySource:
    log = partitioned(CONFIG, records, partitions)
    return MemorySource(log, live(CONFIG, log), seed=3)


async def test_what_was_read_of_the_log_is_known_beside_the_positions() -> None:
    # Two versions of every bar are one, and a clock ends the sorted sequence.
    twice = [*minutes("AAA", 10), *minutes("AAA", 10)]
    async with CorrectedSource(source(*twice), CONFIG) as final:
        home = partition_for("AAA", PARTITIONS)
        assert final.log[home] == Extent(0, 20)
        assert final.extents[home] == Extent(0, 11)
        assert final.symbols == {"AAA"}
        found = [item async for items in final.read({home: 4}) for item in items]
    assert [item.offset for item in found] == list(range(4, 11))


async def test_partitions_and_dead_letters_of_others_are_not_read() -> None:
    assert partition_for("AAA", PARTITIONS) != partition_for("BBB", PARTITIONS)
    both = [*minutes("AAA", 5), *minutes("BBB", 5), STRANGER]
    options = ReplayOptions(selection=selected(CONFIG, ["AAA"], []), as_corrected=True)
    async with Replay(CONFIG, source(*both, partitions=1), options) as run:
        printed = [event async for event in run]
        assert isinstance(run.source, CorrectedSource)
        assert run.source.letters == []
    assert {event.symbol for event in printed} == {"AAA"}
    assert not run.rejects
    async with Replay(CONFIG, source(*both), options) as run:
        assert isinstance(run.source, CorrectedSource)
        assert list(run.source.log) == [partition_for("AAA", PARTITIONS)]
        assert len(run.source.extents) == PARTITIONS
    async with Replay(CONFIG, source(*both, partitions=1), ReplayOptions(as_corrected=True)) as run:
        assert isinstance(run.source, CorrectedSource)
        assert [letter.symbol for letter in run.source.letters] == ["BBB"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of a session of ES in order, in the current folder."""
    monkeypatch.chdir(tmp_path)
    bars = list(sample_book("ES", load_calendar("CME_EQUITY"), "2025-11-24", 1, 5))
    for name, part in (("first.jsonl", bars[:900]), ("more.jsonl", bars[900:])):
        (tmp_path / name).write_bytes(b"".join(encode(bar) + b"\n" for bar in part))
    assert main(["run", "first.jsonl", "--store", "store"]) == 0
    return tmp_path / "store"


def report(capsys: pytest.CaptureFixture[str], a: str, b: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["parity", a, b, "--view", "--json"]) in (0, 1)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_run_as_corrected_is_compared_with_as_much_of_a_log_as_it_read(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--store", "store", "--as-corrected", "--out", "final"]) == 0
    span = json.loads(Path("final/manifest.json").read_text())["source"]["partitions"]["0"]
    assert (span["begin"], span["end"]) == (0, 900)
    # A clock of its symbol comes after the sorted bars.
    assert (span["start"], span["stop"]) == (0, 901)
    assert main(["run", "more.jsonl", "--store", "store"]) == 0
    found = report(capsys, "store", "final")
    assert found["stretch"]["stop"] == {"0": 900}
    assert found["equal"]
    assert report(capsys, "final", "store")["equal"]
    assert main(["replay", "--manifest", "final"]) == 0


def test_sorted_bars_are_not_cut_at_offsets_of_the_log(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two symbols have two clocks in the end, the log has one: the last position is its length.
    other = list(sample_book("NQ", load_calendar("CME_EQUITY"), "2025-11-24", 1, 6, 96_000))[:400]
    records: list[LogRecord] = [*other, Clock("NQ", other[-1].start_ms + 200 * MINUTE_MS)]
    Path("nq.jsonl").write_bytes(b"".join(encode(each) + b"\n" for each in records))
    assert main(["run", "nq.jsonl", "--store", "store"]) == 0
    assert main(["replay", "--store", "store", "--as-corrected", "--out", "final"]) == 0
    assert report(capsys, "store", "final")["equal"]


def test_a_part_of_a_log_is_not_compared_with_all_of_its_sorted_bars(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--store", "store", "--as-corrected", "--out", "final"]) == 0
    for bound in ("--from-offset", "--to-offset"):
        assert main(["replay", "--store", "store", bound, "500", "--out", "part"]) == 0
        capsys.readouterr()
        assert main(["parity", "final", "part", "--view"]) == 2
        assert "part covers less of the log than final" in capsys.readouterr().err


def test_a_stretch_of_sorted_bars_is_compared_with_its_like_alone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stretch = ("--as-corrected", "--from", "2025-11-24T08:00Z", "--to", "2025-11-24T10:00Z")
    for folder in ("part", "again"):
        assert main(["replay", "--store", "store", *stretch, "--out", folder]) == 0
    assert main(["replay", "--store", "store", "--as-corrected", "--out", "final"]) == 0
    capsys.readouterr()
    assert main(["parity", "part", "store", "--view"]) == 2
    assert "part: a stretch as corrected begins and ends at positions" in capsys.readouterr().err
    for other in ("again", "final"):
        found = report(capsys, "part", other)
        assert found["equal"]
        assert found["stretch"]["start"]["0"] > 0
