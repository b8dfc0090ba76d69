"""Symbols that are not configured: every driver admits the same ones, after any restart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.bounds import Bound
from tapeline.replay.explain.why import why
from tapeline.replay.fold import selected
from tapeline.replay.options import ReplayOptions
from tapeline.replay.run import Replay
from tapeline.replay.sources.files import FileOptions, FileSource
from tapeline.replay.verify.prefixes import check_causality
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Reject
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import input_log
from tapeline.streams.core.engine import StateIncompleteError
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.drill.oracle import expected
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.admission import TOO_MANY, Admission
from tapeline.streams.pipeline.refusals import RejectLimit
from tapeline.streams.store.from_log import make_again
from tapeline.streams.store.run import StoreOptions, run_into_store
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches, read_partition
from tests.unit.replay.memory_source import Live, MemorySource, live, partitioned
from tests.unit.streams.worker.log_records import chunk, raw_records

TOML = """
[limits]
symbols = 4

[kafka]
partitions = 1

[instruments.NAMED]
tick = 0.01

[instruments.AHALF]
tick = 0.01

[groups]
both = ["AHALF", "OTHERHALF"]
"""
CONFIG = read_config(TOML, "test")
ROOMY = 1 << 24
ALL = RejectLimit.parse("99%")
DAY_MS = 86_400_000
FIRST_MS = 1_751_328_000_000
"""2025-07-01 00:00 UTC: the beginning of a session of 24/7."""
UNNAMED = ("A", "B", "C", "D", "E", "F")
NAMED = ("NAMED", "AHALF", "OTHERHALF")


def bar(symbol: str, minute: int, price: float = 1.0, interval: str = "1m") -> Bar:
    return Bar(symbol, interval, FIRST_MS + minute * 60_000, price, price, price, price, 1)


def begun() -> list[tuple[LogRecord, str | None]]:
    """The first records, and the codes of the dead letters; C, A, G and B are admitted."""
    return [
        (Cancel("C", "1m", FIRST_MS), None),
        (bar("A", 0), None),
        (bar("G", 0, 1.000_01), "off_tick"),
        (bar("B", 0, 1.000_01), "off_tick"),
        (bar("NAMED", 0), None),
        (Clock("D", FIRST_MS + 60_000), TOO_MANY),
        (bar("C", 0, interval="5m"), "unknown_interval"),
        (bar("AHALF", 0), None),
        (bar("OTHERHALF", 0), None),
        (bar("E", 0), TOO_MANY),
        (bar("F", 0, 1.000_01), TOO_MANY),
        (bar("B", 0), None),
        (bar("B", 1, 1.000_01), "off_tick"),
        (Clock("C", FIRST_MS + 60_000), None),
        (Cancel("F", "1m", FIRST_MS), TOO_MANY),
        (bar("A", 1), None),
        (bar("E", 1), TOO_MANY),
        (bar("D", 2), TOO_MANY),
    ]


def records() -> list[tuple[LogRecord, str | None]]:
    """Three sessions; of G nothing but its admission is left."""
    found = begun()
    for minute in (1_440, 1_441, 2_880, 2_881):
        for symbol in (*UNNAMED, *NAMED):
            code = TOO_MANY if symbol in "DEF" else None
            found.append((bar(symbol, minute), code))
    return found


LOG = [record for record, _ in records()]
CODES = {at: code for at, (_, code) in enumerate(records()) if code is not None}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(encode(each) + b"\n" for each in LOG))
    return path


def letters_in(path: Path) -> dict[int, str]:
    """Codes of dead letters by the number of their line, from 0."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {int(each["source"].rpartition(":")[2]) - 1: each["code"] for each in lines}


def by_offset(letters: Sequence[Reject]) -> dict[int, str]:
    return {int(each.source.rpartition("/")[2]): each.code for each in letters}


def fold_of(stored: StoredPartition) -> PartitionFold:
    return PartitionFold(CONFIG, input_log(), 0, 1, stored, Counts())


def worker(cuts: Sequence[int]) -> tuple[dict[str, list[Any]], set[str]]:
    """Messages by topic of a worker that is started again at every cut, and the groups it keeps."""
    raws, table = raw_records(LOG), dict[bytes, bytes]()
    found: dict[str, list[Any]] = {}
    for first, end in pairwise([0, *cuts, len(raws)]):
        fold = fold_of(read_partition(table.items()) if table else StoredPartition())
        step = fold.fold(chunk(raws[first:end]))
        for batch in batches(step.state.changes(), step.checkpoint(), ROOMY):
            table.update(batch)
        for topic, messages in step.outputs.items():
            found.setdefault(topic, []).extend(messages)
    return found, set(read_partition(table.items()).groups)


def codes_of(messages: Sequence[Any]) -> dict[int, str]:
    letters = [json.loads(each.value) for each in messages]
    return {int(each["source"].rpartition("/")[2]): each["code"] for each in letters}


def test_a_run_admits_symbols_in_the_order_of_first_records_whatever_becomes_of_them(
    log: Path, tmp_path: Path
) -> None:
    result = run_files(CONFIG, [Source(str(log))], tmp_path / "out")
    assert letters_in(tmp_path / "out" / "tape.rejects.v1.jsonl") == CODES
    counters = result.manifest["counters"]
    assert counters["idle"] == 1
    assert counters["rejects"] == dict(sorted(Counter(CODES.values()).items()))
    assert result.summary.first_reject[TOO_MANY].reason == (
        "symbol 'D' is not configured, and 4 others that are not have come before it"
        " ([limits] symbols)"
    )


@pytest.mark.parametrize("cut", [1, 3, 8, 9, 10, 20, 30])
def test_a_store_admits_the_same_symbols_however_its_log_is_delivered(
    cut: int, tmp_path: Path
) -> None:
    found: dict[int, str] = {}
    for name, first, end in (("1.jsonl", 0, cut), ("2.jsonl", cut, len(LOG))):
        path = tmp_path / name
        path.write_bytes(b"".join(encode(each) + b"\n" for each in LOG[first:end]))
        options = StoreOptions(max_rejects=ALL)
        run_into_store(CONFIG, [Source(str(path))], tmp_path / "S", options)
    rejects = tmp_path / "S" / "topics" / "tape.rejects.v1.jsonl"
    for line in rejects.read_text().splitlines():
        letter = json.loads(line)
        name, _, number = letter["source"].rpartition(":")
        found[int(number) - 1 + (cut if name.endswith("2.jsonl") else 0)] = letter["code"]
    assert found == CODES
    kept = [json.loads(line) for line in (tmp_path / "S" / "log.jsonl").read_text().splitlines()]
    assert {each["symbol"] for each in kept} == {"A", "B", "C", *NAMED}


def test_a_worker_admits_the_same_symbols_after_any_restart() -> None:
    whole, groups = worker([])
    assert codes_of(whole["tape.rejects.v1"]) == CODES
    assert groups == {"A", "B", "C", "G", "NAMED", "both"}
    for cuts in ([cut] for cut in range(1, len(LOG))):
        found, kept = worker(cuts)
        assert (found, kept) == (whole, groups), cuts
    assert worker(range(1, len(LOG))) == (whole, groups)


@pytest.mark.parametrize("refused", [0, 9], ids=["a record", "a symbol not admitted"])
def test_a_store_made_again_from_its_log_admits_the_symbols_that_it_admitted(
    refused: int, tmp_path: Path
) -> None:
    """G had nothing but a dead letter, and its admission is in that alone."""
    folder, begins = tmp_path / "S", len(begun())
    log = tmp_path / "1.jsonl"
    log.write_bytes(b"".join(encode(each) + b"\n" for each in LOG[:begins]))
    run_into_store(CONFIG, [Source(str(log))], folder, StoreOptions(max_rejects=ALL))
    make_again(CONFIG, folder)
    later = [LOG[refused], bar("G", 3), bar("D", 3)]
    log = tmp_path / "2.jsonl"
    log.write_bytes(b"".join(encode(each) + b"\n" for each in later))
    result = run_into_store(CONFIG, [Source(str(log))], folder, StoreOptions(max_rejects=ALL))
    assert result.counts.refusals.codes == Counter({TOO_MANY: 1 + (refused == 9)})
    assert result.symbols["G"]["last_ms"] == FIRST_MS + 4 * 60_000


def test_a_row_that_a_later_one_replaces_admits_its_symbol_in_a_store_too(
    tmp_path: Path,
) -> None:
    config = read_config("[limits]\nsymbols = 1", "test")
    rows = ["X,2025-07-01T00:00Z,1", "Y,2025-07-01T00:00Z,1", "X,2025-07-01T00:00Z,2"]
    table = tmp_path / "both.csv"
    lines = [f"{row},2,1,1,1" for row in rows]
    table.write_text("\n".join(["symbol,time,open,high,low,close,volume", *lines, ""]))
    run_files(config, [Source(str(table))], tmp_path / "R", zone="UTC")
    options = StoreOptions(zone="UTC", max_rejects=ALL)
    run_into_store(config, [Source(str(table))], tmp_path / "S", options)
    rejects = "tape.rejects.v1.jsonl"
    refused = [json.loads(line) for line in (tmp_path / "R" / rejects).read_text().splitlines()]
    assert [(each["code"], each["symbol"]) for each in refused] == [(TOO_MANY, "Y")]
    stored = (tmp_path / "S" / "topics" / rejects).read_text().splitlines()
    assert [json.loads(line) for line in stored] == refused


def test_a_worker_that_is_killed_between_the_batches_of_a_step_admits_the_same_symbols() -> None:
    raws, cut = raw_records(LOG), len(begun())
    step = fold_of(StoredPartition()).fold(chunk(raws[:cut]))
    found = list(batches(step.state.changes(), step.checkpoint(), 2_500))
    assert len(found) > 3
    for written in range(1, len(found)):
        table = dict(pair for batch in found[:written] for pair in batch)
        again = fold_of(read_partition(table.items()))
        codes: dict[int, str] = {}
        for first, end in ((0, cut), (cut, len(raws))):
            taken = again.fold(chunk(raws[first:end]))
            codes |= codes_of(taken.outputs["tape.rejects.v1"])
            for batch in batches(taken.state.changes(), taken.checkpoint(), ROOMY):
                table.update(batch)
        # What an engine refused whose state was written already is not refused again.
        assert codes.items() <= CODES.items()
        assert [at for at in codes if codes[at] == TOO_MANY] == [
            at for at in CODES if CODES[at] == TOO_MANY
        ]
        stored = read_partition(table.items())
        assert [each.symbol for each in stored.admitted] == ["C", "A", "G", "B"]
        assert set(stored.groups) == {"A", "B", "C", "G", "NAMED", "both"}


def test_a_state_that_lost_an_admission_is_refused_with_the_way_out() -> None:
    step = fold_of(StoredPartition()).fold(chunk(raw_records(LOG)))
    (batch,) = batches(step.state.changes(), step.checkpoint(), ROOMY)
    left = [(key, value) for key, value in batch if key != b"|symbols/G"]
    assert len(left) == len(batch) - 1
    with pytest.raises(StateIncompleteError, match=r"3 symbols .* 4\. .*Delete the data folder"):
        read_partition(left)


def test_the_drill_expects_the_same() -> None:
    found = expected(CONFIG, 0, [encode(each) for each in LOG])
    codes = {int(each.id.rpartition("/")[2]): each.code for each in found.letters.values()}
    assert codes == CODES
    assert set(found.router.engines) == {"A", "B", "C", "G", "NAMED", "both"}


PARTITIONED = partitioned(CONFIG, LOG, 1)
LIVE: Live = live(CONFIG, PARTITIONED)


async def replayed(options: ReplayOptions) -> tuple[dict[int, str], set[str], Replay]:
    """Codes of dead letters by offset, symbols of events, and the replay."""
    letters: list[Reject] = []
    symbols: set[str] = set()
    async with Replay(CONFIG, MemorySource(PARTITIONED, LIVE, 1), options) as run:
        async for each in run:
            if isinstance(each, Reject):
                letters.append(each)
            elif each.symbol is not None:
                symbols.add(each.symbol)
    return by_offset(letters), symbols, run


async def test_a_replay_admits_the_same_symbols() -> None:
    codes, symbols, _ = await replayed(ReplayOptions())
    assert codes == CODES
    assert symbols >= {"A", "B", "C"}
    assert symbols.isdisjoint({"D", "E", "F"})


@pytest.mark.parametrize("symbol", UNNAMED)
async def test_symbols_outside_the_selection_count_too(symbol: str) -> None:
    selection = selected(CONFIG, [symbol], ())
    codes, symbols, _ = await replayed(ReplayOptions(selection=selection))
    assert codes == {at: code for at, code in CODES.items() if LOG[at].symbol == symbol}
    assert symbols == ({symbol} if symbol in "ABC" else set())


@pytest.mark.parametrize("chosen", [(), ("B",), ("D",), ("F", "E")])
@pytest.mark.parametrize("start", [len(begun()), len(begun()) + 9, len(begun()) + 20])
async def test_a_replay_that_begins_with_snapshots_knows_the_admitted_symbols(
    start: int, chosen: tuple[str, ...]
) -> None:
    bound = Bound(offsets={0: start})
    selection = selected(CONFIG, chosen, ())
    codes, _, run = await replayed(ReplayOptions(start=bound, selection=selection))
    assert codes == {
        at: code
        for at, code in CODES.items()
        if at >= start and (not chosen or LOG[at].symbol in chosen)
    }
    assert {each["kind"] for each in run.start_states.values()} == {"snapshot"}
    assert run.read_from[0] > 0


async def test_a_warm_up_counts_what_lies_before_it() -> None:
    options = ReplayOptions(
        start=Bound(time_ms=FIRST_MS + 2 * DAY_MS), snapshots=False, warmup_sessions=1
    )
    codes, _, run = await replayed(options)
    assert {LOG[at].symbol for at in codes} == {"D", "E", "F"}
    assert set(codes.values()) == {TOO_MANY}
    assert run.read_from[0] >= len(begun())


async def test_the_log_as_corrected_admits_the_symbols_that_it_admitted_as_it_came(
    log: Path, tmp_path: Path
) -> None:
    run_files(CONFIG, [Source(str(log))], tmp_path / "out", as_corrected=True)
    assert letters_in(tmp_path / "out" / "tape.rejects.v1.jsonl") == CODES
    codes, symbols, _ = await replayed(ReplayOptions(as_corrected=True))
    assert codes == CODES
    assert symbols.isdisjoint({"D", "E", "F"})


async def test_why_knows_no_event_of_a_symbol_that_was_not_admitted() -> None:
    for symbol in UNNAMED:
        answer = await why(
            lambda: MemorySource(PARTITIONED, LIVE, 1), CONFIG, f"session|{symbol}|2025-07-02"
        )
        assert (answer is not None) == (symbol in "ABC"), symbol


@pytest.mark.parametrize("chosen", [(), ("F",), ("A", "B")])
async def test_causality_holds_where_symbols_are_too_many(chosen: tuple[str, ...]) -> None:
    options = ReplayOptions(
        selection=selected(CONFIG, chosen, ()), start=Bound(offsets={0: len(begun())})
    )
    report = await check_causality(
        CONFIG, lambda: MemorySource(PARTITIONED, LIVE, 1), options, prefixes=8, seed=1
    )
    assert report.clean


async def test_a_replay_of_files_is_what_the_run_was(log: Path, tmp_path: Path) -> None:
    run_files(CONFIG, [Source(str(log))], tmp_path / "out", until_ms=FIRST_MS + 5 * DAY_MS)
    found = letters_in(tmp_path / "out" / "tape.rejects.v1.jsonl")
    source = FileSource(CONFIG, [Source(str(log))], FileOptions(until_ms=FIRST_MS + 5 * DAY_MS))
    async with Replay(CONFIG, source) as run:
        letters = [each async for each in run if isinstance(each, Reject)]
    assert {each.id for each in letters} == {
        json.loads(line)["id"]
        for line in (tmp_path / "out" / "tape.rejects.v1.jsonl").read_text().splitlines()
    }
    assert TOO_MANY in found.values()


def test_no_symbol_is_admitted_under_a_limit_of_0() -> None:
    admission = Admission(read_config("[limits]\nsymbols = 0", "test"))
    with pytest.raises(RecordRejected, match=TOO_MANY):
        admission.admit("A", 0)
    admission.admit("ES", 1)
    assert not admission.changed


def test_the_limit_is_a_part_of_the_hash_of_the_configuration_and_of_no_state() -> None:
    from tapeline.schemas.config.model import config_hash
    from tapeline.streams.pipeline.planning import plan_group
    from tapeline.streams.pipeline.provenance import identity_over

    other = read_config(TOML.replace("symbols = 4", "symbols = 5"), "test")
    assert config_hash(other) != config_hash(CONFIG)
    plan = plan_group(CONFIG, "A")
    assert identity_over(other, plan, None, None) == identity_over(CONFIG, plan, None, None)
