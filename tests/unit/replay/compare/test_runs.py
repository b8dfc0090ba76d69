"""Run directories and stores compared: one altered bar, field or line is found where it is."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tapeline.replay.compare.events import What
from tapeline.replay.compare.recorded import Coverage, RecordedError
from tapeline.replay.compare.recorded_files import recorded
from tapeline.replay.compare.runs import NothingToCompareError, ParityOptions, ParityReport, parity
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.streams.calendars import load_calendar
from tapeline.streams.embedded import run_files
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import sample_book, with_late_bars
from tapeline.streams.store.run import StoreOptions, run_into_store

CONFIG = built_in_config()
NOWHERE = "127.0.0.1:9"
ALTERED = 777
"""Offset of the bar that the other run has otherwise."""


def log() -> list[Bar]:
    """Most of a session of ES and NQ, with late bars."""
    futures = load_calendar("CME_EQUITY")
    es = sample_book("ES", futures, "2025-11-24", 1, 1)
    nq = sample_book("NQ", futures, "2025-11-24", 1, 2, 96_000)
    both = zip(with_late_bars(list(es), 5), nq, strict=False)
    return [bar for pair in both for bar in pair][:1_800]


def ran(folder: Path, bars: list[Bar], name: str) -> Path:
    """A run directory over the bars as a log."""
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"\n".join(encode(bar) for bar in bars) + b"\n")
    run_files(CONFIG, [Source(str(path))], folder / name)
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs whose logs differ in the high of one bar."""
    folder = tmp_path_factory.mktemp("runs")
    bars = log()
    bar = bars[ALTERED]
    altered = [*bars[:ALTERED], replace(bar, high=bar.high + 10), *bars[ALTERED + 1 :]]
    return ran(folder, bars, "original"), ran(folder, altered, "altered")


def compared(a: Path, b: Path, **options: Any) -> ParityReport:
    """The report of two folders."""

    async def work() -> ParityReport:
        async with (
            recorded(str(a), CONFIG, Brokers(NOWHERE)) as first,
            recorded(str(b), CONFIG, Brokers(NOWHERE)) as second,
        ):
            return await parity(first, second, CONFIG, ParityOptions(**options))

    return asyncio.run(work())


def copy(folder: Path, target: Path) -> Path:
    """A copy to be edited."""
    shutil.copytree(folder, target / "copy")
    return target / "copy"


def test_a_run_is_equal_to_itself_event_by_event(runs: tuple[Path, Path], tmp_path: Path) -> None:
    report = compared(runs[0], copy(runs[0], tmp_path))
    assert report.equal
    assert report.first is None
    assert all(each.equal == each.a == each.b for each in report.types.values())
    assert report.types["touch"].equal > 10


def test_every_line_is_read_where_bytes_alone_do_not_decide_it(runs: tuple[Path, Path]) -> None:
    report = compared(runs[0], runs[0], symbols=frozenset({"ES"}))
    whole = compared(runs[0], runs[0])
    assert report.equal
    assert 0 < report.types["swing"].equal < whole.types["swing"].equal


def test_one_altered_bar_is_found_in_the_logs(runs: tuple[Path, Path]) -> None:
    report = compared(*runs)
    assert not report.equal
    assert report.first is not None
    assert report.first.record >= ALTERED
    assert report.around is not None
    assert report.around.parted is not None
    first, second = report.around.parted
    assert first is not None
    assert second is not None
    assert (first.offset, second.offset) == (ALTERED, ALTERED)
    assert first.record is not None
    assert second.record is not None
    assert second.record["high"] == first.record["high"] + 10
    records = [each.offset for each in report.around.a.records]
    at = report.first.record
    assert records == list(range(at - 3, at + 4))


def test_equal_events_of_other_inputs_are_equal_and_reported_so(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    bars = log()
    elsewhere = [replace(bars[0], source=None), *bars[1:]]
    report = compared(runs[0], ran(tmp_path, elsewhere, "other"))
    assert report.equal
    assert report.notes == ["the inputs are not the same: other SHA-256 in the manifests"]
    assert compared(runs[0], runs[0]).notes == []


def test_the_view_differs_in_facts_not_in_versions(runs: tuple[Path, Path]) -> None:
    report = compared(*runs, view=True)
    assert not report.equal
    assert report.types["swing"].a < compared(*runs).types["swing"].a
    assert not {"seq", "rev"} & {name for each in report.types.values() for name in each.fields}
    assert compared(runs[0], runs[0], view=True).equal


def test_a_fact_that_one_run_published_and_took_back_is_in_neither_view(tmp_path: Path) -> None:
    bars = log()
    bar = bars[ALTERED]
    mended = [*bars[:ALTERED], replace(bar, high=bar.high + 10), *bars[ALTERED + 1 :], bar]
    a, b = ran(tmp_path, [*bars, bar], "right"), ran(tmp_path, mended, "mended")
    assert b'"op":"retract"' in (b / "tape.swings.v1.jsonl").read_bytes()
    assert compared(a, b, view=True).equal
    assert not compared(a, b).equal


def edit_line(folder: Path, topic: str, number: int, **fields: Any) -> dict[str, Any]:
    """Change fields of a line; returns what it was."""
    path = folder / f"tape.{topic}.v1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    event: dict[str, Any] = orjson.loads(lines[number])
    lines[number] = orjson.dumps({**event, **fields}) + b"\n"
    path.write_bytes(b"".join(lines))
    return event


def test_one_altered_field_is_found_exactly(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copy(runs[0], tmp_path)
    event = edit_line(other, "touches", 5, price=1.25)
    report = compared(runs[0], other)
    [difference] = report.differences
    assert difference.id == event["id"]
    assert difference.fields == {"price": (event["price"], 1.25)}
    assert difference.record == event["seq"] // 1_000_000
    assert compared(runs[0], other, ignored=frozenset({"price"})).equal
    assert compared(runs[0], other, types=("swing",)).equal
    assert not compared(runs[0], other, view=True).equal


LINES: dict[What, Any] = {
    "missing": lambda lines: [*lines[:5], *lines[6:]],
    "added": lambda lines: [*lines[:6], lines[5], *lines[6:]],
    "reordered": lambda lines: [*lines[:5], *lines[6:20], lines[5], *lines[20:]],
}


@pytest.mark.parametrize(("what", "edit"), LINES.items(), ids=LINES.keys())
def test_one_line_that_is_lost_doubled_or_moved_is_found_exactly(
    runs: tuple[Path, Path], tmp_path: Path, what: What, edit: Any
) -> None:
    other = copy(runs[0], tmp_path)
    path = other / "tape.swings.v1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))
    report = compared(runs[0], other)
    [difference] = report.differences
    assert (difference.what, difference.id) == (what, orjson.loads(lines[5])["id"])
    assert [kind for kind, each in report.types.items() if not each.same] == ["swing"]


def test_a_stretch_leaves_out_what_lies_outside(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copy(runs[0], tmp_path)
    event = edit_line(other, "touches", 5, price=1.25)
    record = event["seq"] // 1_000_000
    assert compared(runs[0], other, stretch=Coverage(starts={0: record + 1})).equal
    assert compared(runs[0], other, stretch=Coverage(stops={0: record})).equal
    assert not compared(runs[0], other, stretch=Coverage({0: record}, {0: record + 1})).equal


def test_the_manifest_of_a_partial_replay_cuts_the_other_side(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    other = copy(runs[0], tmp_path)
    start, stop = 600, 1_200
    for path in other.glob("tape.*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        inside = [line for line in lines if start <= orjson.loads(line)["seq"] // 1_000_000 < stop]
        path.write_bytes(b"".join(inside))
    assert not compared(runs[0], other).equal
    target = other / "manifest.json"
    manifest = orjson.loads(target.read_bytes())
    [given] = manifest.pop("inputs")
    manifest["source"] = {
        "kind": "files",
        "files": [{name: given[name] for name in ("path", "symbol", "sha256")}],
        "tz": None,
        "until_ms": None,
        "records": None,
        "partitions": {
            "0": {"begin": 0, "end": None, "read_from": 0, "start": start, "stop": stop}
        },
    }
    manifest |= {"mode": "as-recorded", "start_state": {}}
    manifest["options"] = {"from_offset": [str(start)], "to_offset": [str(stop)]}
    target.write_bytes(orjson.dumps(manifest))
    report = compared(runs[0], other)
    assert report.equal
    assert report.stretch == Coverage({0: start}, {0: stop})
    # What the stretch holds is compared all the same.
    edit_line(other, "swings", 3, price=1.25)
    assert len(compared(runs[0], other).differences) == 1
    manifest["options"] |= {"symbols": ["NQ"]}
    target.write_bytes(orjson.dumps(manifest))
    assert compared(runs[0], other).stretch.symbols == frozenset({"NQ", "ES-NQ"})


NOTHING: dict[str, tuple[dict[str, Any], str]] = {
    "a symbol that neither has": (
        {"symbols": frozenset({"ESX"})},
        "neither has any event of ESX$",
    ),
    "a stretch that lies behind both": (
        {"stretch": Coverage(starts={0: 99_999})},
        r"neither has any event at the offsets that both cover: 0:\[99999, end\)$",
    ),
    "a type that this symbol never has": (
        {"types": ("pair",), "symbols": frozenset({"ES"})},
        "neither has any pair of ES$",
    ),
}


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize(("options", "message"), NOTHING.values(), ids=NOTHING.keys())
def test_a_comparison_of_nothing_is_no_comparison(
    runs: tuple[Path, Path], options: dict[str, Any], message: str, view: bool
) -> None:
    with pytest.raises(NothingToCompareError, match=f"nothing to compare: {message}"):
        compared(*runs, view=view, **options)


@pytest.mark.parametrize("view", [False, True])
def test_what_has_no_events_on_either_side_is_equal_and_reported_to_have_none(
    runs: tuple[Path, Path], tmp_path: Path, view: bool
) -> None:
    none = ran(tmp_path, log()[:1], "none")
    for path in none.glob("tape.*.jsonl"):
        path.write_bytes(b"")
    report = compared(none, none, view=view)
    assert report.equal
    assert report.notes == ["neither side has an event"]
    # A side alone that has none is no such case.
    assert not compared(none, runs[0], view=view).equal


def test_other_configurations_are_reported_to_be_others(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    other = copy(runs[0], tmp_path)
    target = other / "manifest.json"
    manifest = orjson.loads(target.read_bytes())
    then, manifest["config_hash"] = manifest["config_hash"], "f" * 64
    target.write_bytes(orjson.dumps(manifest))
    message = f"the configurations are not the same: hash {then[:12]} of A, {'f' * 12} of B"
    assert compared(runs[0], other).notes == [message]


def test_a_store_is_equal_to_the_run_over_the_same_rows(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    source = Source(str(runs[0].with_suffix(".jsonl")))
    run_into_store(CONFIG, [source], tmp_path / "store", StoreOptions())
    assert compared(runs[0], tmp_path / "store").equal
    report = compared(tmp_path / "store", runs[1])
    assert report.around is not None
    assert report.around.parted is not None
    assert report.around.a.away is None


def test_what_lies_behind_the_checkpoint_of_a_store_is_not_there(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    source = Source(str(runs[0].with_suffix(".jsonl")))
    run_into_store(CONFIG, [source], store, StoreOptions())
    for path in (store / "topics").iterdir():
        path.write_bytes(path.read_bytes() + b'{"type":"torn\n')
    assert compared(runs[0], store).equal
    assert compared(runs[0], store, symbols=frozenset({"ES"})).equal
    assert compared(runs[0], store, view=True).equal


def test_a_log_that_is_gone_or_changed_is_reported_to_be_not_at_hand(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = ran(tmp_path, log()[:900], "short")
    source = tmp_path / "short.jsonl"
    source.write_bytes(source.read_bytes() + b"\n")
    around = compared(runs[0], folder).around
    assert around is not None
    assert "another SHA-256" in str(around.b.away)
    assert around.parted is None
    source.unlink()
    around = compared(runs[0], folder).around
    assert around is not None
    assert "short.jsonl" in str(around.b.away)


def test_a_line_that_is_no_event_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copy(runs[0], tmp_path)
    path = other / "tape.touches.v1.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordedError, match=r"tape\.touches\.v1\.jsonl:\d+: is no event"):
        compared(runs[0], other)
    path.unlink()
    with pytest.raises(RecordedError, match="is not there"):
        compared(runs[0], other)


@pytest.mark.parametrize("name", ["nothing", "topics:", "run:"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        recorded(name, CONFIG, Brokers(NOWHERE))


SIGNALS = "tape.signals.v1"
ACCOUNT = "tape.account.v1"


def with_hosted(run: Path, target: Path, topic: str, *events: Any) -> Path:
    """A copy of a run with events of a host of strategies."""
    target.mkdir()
    folder = copy(run, target)
    content = b"".join(encode(each) + b"\n" for each in events)
    (folder / f"{topic}.jsonl").write_bytes(content)
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    manifest["output_sha256"][topic] = ""
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return folder


def example(kind: str, **fields: Any) -> Any:
    found: Any = EVENTS.row(kind).example
    return replace(found, **fields)


def test_runs_without_strategies_are_compared_without_a_word_of_them(
    runs: tuple[Path, Path],
) -> None:
    assert not set(compared(runs[0], runs[0]).types) & set(EVENTS.hosted)


def test_signals_are_compared_by_what_is_left_of_them_without_what_delivers_them(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    issued = example("signal")
    again = example(
        "signal",
        seq=7,
        watermark_ms=8,
        version="0" * 12,
        cause={"3": 7},
        inputs=tuple(replace(each, rev=each.rev + 1) for each in issued.inputs),
    )
    closed = {"state": "expired", "closed_ms": 9, "close_reason": "expired"}
    a = with_hosted(runs[0], tmp_path / "a", SIGNALS, issued, replace(issued, seq=9, **closed))
    b = with_hosted(runs[0], tmp_path / "b", SIGNALS, again, replace(again, seq=8, **closed))
    report = compared(a, b)
    assert report.equal
    assert report.types["signal"].equal == report.types["signal"].a == 1
    assert compared(a, b, types=("signal",)).equal


def test_a_signal_with_other_content_is_found_with_the_fields_that_differ(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    issued = example("signal")
    inputs = tuple(replace(each, rev=1) for each in issued.inputs)
    other = example("signal", id=f"{issued.id}1", seq=issued.seq + 1)
    a = with_hosted(runs[0], tmp_path / "a", SIGNALS, issued, other)
    b = with_hosted(runs[0], tmp_path / "b", SIGNALS, example("signal", quantity=9, inputs=inputs))
    report = compared(a, b, types=("signal",))
    assert not report.equal
    found = report.types["signal"]
    assert (found.changed, found.missing, found.added) == (1, 1, 0)
    assert found.fields == {"quantity": 1}


def test_a_type_that_shares_its_topic_is_compared_alone(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    order, fill = example("order"), example("fill")
    a = with_hosted(runs[0], tmp_path / "a", ACCOUNT, order, fill)
    b = with_hosted(runs[0], tmp_path / "b", ACCOUNT, order, replace(fill, price=1.0))
    report = compared(a, b)
    assert not report.equal
    assert {kind for kind, each in report.types.items() if not each.same} == {"fill"}
    assert report.types["order"].equal == 1
    assert compared(a, b, types=("order",)).equal
