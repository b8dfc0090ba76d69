"""A stretch of a log replayed is what a worker published for it, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.replay.bounds import Bound, parse_bound, parse_offsets
from tapeline.replay.fold import Selection, selected
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.items import Release
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Retract
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.schemas.topics import snapshot_topic, topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.kafka.shown import Shown
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tests.properties.disorder import disordered
from tests.unit.replay.memory_source import Live, MemorySource, item_of, live, partitioned

PARTITIONS = 3
CONFIG = read_config(
    '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\nranges = ["prior_session"]\n'
    '[instruments.BBB]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n',
    "test",
)
SYMBOLS = {"ES": "CME_EQUITY", "NQ": "CME_EQUITY", "AAA": "24/7", "BBB": "XNYS"}
POISON = [b"no json", b'{"type":"bar","symbol":"ES"}', b'{"type":"clock","symbol":"","time_ms":1}']


def records(seed: int, sessions: int = 3) -> list[LogRecord | bytes]:
    books: list[Bar] = []
    for number, (symbol, calendar) in enumerate(SYMBOLS.items()):
        whole = sample_book(symbol, load_calendar(calendar), "2025-11-24", sessions, seed + number)
        # Not all minutes of them: the cases are many.
        books += [bar for bar in whole if bar.start_ms // 60_000 % 60 < 10]
    log: list[LogRecord | bytes] = list(disordered(books, CONFIG, seed, {"NQ": 3_000_000}))
    random = Random(seed)
    for poison in POISON:
        log.insert(random.randrange(len(log)), poison)
    return log


PAIR = partition_for("ES-NQ", PARTITIONS)
LOG = partitioned(CONFIG, records(1), PARTITIONS)
LIVE = live(CONFIG, LOG)


def greatest_marks(config: Config, log: Sequence[Any]) -> list[int]:
    """Greatest watermark of a partition after each record, by engines that take all of it."""
    engines: dict[str, GroupEngine] = {}
    greatest, marks = -1, []
    shown = Shown(config.time)
    for record in log:
        content: Any = item_of(0, record, shown).content
        try:
            if isinstance(content, Refusal):
                raise RecordRejected(content.code, content.reason)
            group = config.group_of(content.symbol)
            engine = engines.setdefault(group, GroupEngine(plan_group(config, group)))
            engine.apply(content, record.offset)
            greatest = max(greatest, engine.watermark_ms(content.symbol) or -1)
        except RecordRejected:
            pass
        marks.append(greatest)
    return marks


MARKS = {partition: greatest_marks(CONFIG, each) for partition, each in LOG.items()}


def first_above(partition: int, bound_ms: int) -> int:
    marks = MARKS[partition]
    return next((at for at, mark in enumerate(marks) if mark > bound_ms), len(marks))


def without_replaced_snapshots() -> Live:
    """What the worker wrote, after compaction, where a snapshot stays for two days."""
    config = replace(CONFIG, kafka=replace(CONFIG.kafka, snapshot_days=2))
    found = live(config, LOG)
    for topics in found.values():
        newest = {message.key: message for message in topics[snapshot_topic()]}
        topics[snapshot_topic()] = [
            each for each in topics[snapshot_topic()] if newest[each.key] is each
        ]
    return found


COMPACTED = without_replaced_snapshots()


async def replayed(
    options: ReplayOptions, seed: int = 0, outputs: Live = LIVE
) -> tuple[list[Release], Replay]:
    source = MemorySource(LOG, outputs, seed)
    async with Replay(CONFIG, source, options) as run:
        found = [release async for release in run.releases()]
    assert source.opened == 0
    return found, run


def as_messages(releases: Sequence[Release]) -> dict[tuple[int, str], list[Any]]:
    """By partition and topic: key, value, CreateTime and group of what was released."""
    found: dict[tuple[int, str], list[Any]] = {}
    for release in releases:
        for event in release.events:
            kind = str(event.__struct_config__.tag)
            value = encode(event)
            if isinstance(event, Retract):
                kind, value = event.type, None  # type: ignore[assignment]
            where = release.item.partition, topic_of(kind)
            found.setdefault(where, []).append(
                (event.id, value, event.seq, release.watermark_ms, release.group)
            )
        if release.letter is not None:
            where = release.item.partition, topic_of("reject")
            found.setdefault(where, []).append((release.letter.id, encode(release.letter)))
    return found


def as_published(
    outputs: Live, starts: dict[int, int], stops: dict[int, int]
) -> dict[tuple[int, str], list[Any]]:
    """The same of what the worker wrote of the records [start, stop) of each partition."""
    found: dict[tuple[int, str], list[Any]] = {}
    for partition, topics in outputs.items():
        for topic, messages in topics.items():
            for message in messages:
                headers = dict(message.headers)
                content: tuple[Any, ...]
                if headers["type"] == b"snapshot":
                    continue
                if headers["type"] == b"reject":
                    offset = int(message.key.decode().rsplit("/", 1)[1])
                    content = (message.key.decode(), message.value)
                else:
                    offset = int(headers["seq"]) // 1_000_000
                    content = (
                        message.key.decode(),
                        message.value,
                        int(headers["seq"]),
                        message.timestamp_ms,
                        headers["group"].decode(),
                    )
                if starts[partition] <= offset < stops[partition]:
                    found.setdefault((partition, topic), []).append(content)
    return found


def whole() -> tuple[dict[int, int], dict[int, int]]:
    return dict.fromkeys(LOG, 0), {each: len(found) for each, found in LOG.items()}


async def test_the_whole_log_replayed_is_what_the_worker_wrote() -> None:
    releases, run = await replayed(ReplayOptions())
    assert as_messages(releases) == as_published(LIVE, *whole())
    assert {each: span.next_offset for each, span in run.fold.spans.items()} == whole()[1]
    assert run.rejects["decode_error"] == 1


async def test_the_order_does_not_depend_on_the_pieces_that_come() -> None:
    first, _ = await replayed(ReplayOptions(), seed=1)
    second, _ = await replayed(ReplayOptions(), seed=2)
    assert [each.item[:3] for each in first] == [each.item[:3] for each in second]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("snapshots", "outputs"),
    [(True, LIVE), (True, COMPACTED), (False, LIVE)],
    ids=["from snapshots", "from what compaction left of them", "from the beginning"],
)
async def test_a_stretch_of_market_time_is_what_was_published_for_it(
    seed: int, snapshots: bool, outputs: Live
) -> None:
    random = Random(seed)
    times = sorted(mark for marks in MARKS.values() for mark in marks if mark > 0)
    low, high = sorted(random.sample(times, 2))
    if low == high:
        high += 1
    options = ReplayOptions(start=Bound(time_ms=low), stop=Bound(time_ms=high), snapshots=snapshots)
    releases, run = await replayed(options, seed, outputs)
    starts = {each: first_above(each, low) for each in LOG}
    stops = {each: first_above(each, high) for each in LOG}
    assert as_messages(releases) == as_published(LIVE, starts, stops)
    for partition, span in run.fold.spans.items():
        if starts[partition] < stops[partition]:
            assert (span.start, span.next_offset) == (starts[partition], stops[partition])


async def test_a_start_in_the_middle_reads_no_more_than_since_the_last_snapshot() -> None:
    low = sorted(mark for mark in MARKS[0] if mark > 0)[-10]
    _, run = await replayed(ReplayOptions(start=Bound(time_ms=low)))
    assert all(state["kind"] == "snapshot" for state in run.start_states.values())
    assert sum(run.read_from.values()) > sum(len(each) for each in LOG.values()) // 3


async def test_a_partition_whose_old_snapshots_are_gone_begins_with_the_log_and_reports_it() -> (
    None
):
    # What the group's first record left was replaced.
    low = next(mark for mark in MARKS[PAIR] if mark > 0) + 3_600_000
    _, run = await replayed(ReplayOptions(start=Bound(time_ms=low)), outputs=COMPACTED)
    assert run.read_from[PAIR] == 0
    state = run.start_states[f"partition {PAIR}"]
    assert (state["kind"], state["offset"], state["lacking"]) == ("log start", 0, "ES-NQ")
    assert state["oldest"] == "2025-11-24"
    [note] = [each for each in run.notes if each.startswith(f"partition {PAIR}: ")]
    assert note.endswith(
        "no snapshots were used, group ES-NQ has none so far back;"
        f" its oldest one is of session {state['oldest']} ([kafka] snapshot_days)"
    )


SHOWN_AT = 1_764_115_200_000  # 2025-11-26 00:00 UTC
LATER_MS = SHOWN_AT + 3 * 86_400_000


@pytest.mark.parametrize(
    ("refused", "home"),
    [
        (Bar("BBB", "1m", LATER_MS, 1.001, 1.001, 1.001, 1.001, 1), True),
        (Bar("AAA", "1m", LATER_MS, 1.0, 1.0, 1.0, 1.0, 1), False),
        (Clock("AAA", SHOWN_AT + 30 * 86_400_000), True),
    ],
    ids=["off tick", "elsewhere", "ahead"],
)
async def test_the_order_from_snapshots_is_that_from_the_beginning_whatever_was_refused(
    refused: LogRecord, home: bool
) -> None:
    config = read_config(
        '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\nmax_ahead = "1d"\n'
        '[instruments.BBB]\ntick = 0.01\ncalendar = "XNYS"\n',
        "test",
    )
    books = [
        Bar(symbol, "1m", SHOWN_AT + (minute - 2_000) * 60_000, 1.0, 1.0, 1.0, 1.0, 1)
        for minute in range(0, 2_600, 10)
        for symbol in ("AAA", "BBB", "CCC", "DDD")
    ]
    at_home = partition_for(refused.symbol, PARTITIONS)
    log = partitioned(config, books, PARTITIONS)
    for partition, where in log.items():
        if (partition == at_home) == home:
            where.insert(len(where) // 2, SimpleNamespace(timestamp=0, value=encode(refused)))
            for offset, each in enumerate(where):
                each.offset = offset
    outputs = live(config, log)
    found = {}
    for snapshots in (True, False):
        options = ReplayOptions(start=Bound(time_ms=SHOWN_AT + 300 * 60_000), snapshots=snapshots)
        async with Replay(config, MemorySource(log, outputs, 3), options) as run:
            found[snapshots] = [release.item[:3] async for release in run.releases()]
            assert snapshots == any(run.read_from.values())
    assert found[True] == found[False]


@pytest.mark.parametrize("minutes", [-1_300, -900, -500, -200])
async def test_a_group_without_old_snapshots_does_not_start_cold_beside_one_that_has_them(
    minutes: int,
) -> None:
    log = partitioned(CONFIG, records(1), 1)
    outputs = live(CONFIG, log)
    topic, last = snapshot_topic(), b"2025-11-25"
    outputs[0][topic] = [
        each
        for each in outputs[0][topic]
        if dict(each.headers)["group"] != b"ES-NQ" or dict(each.headers)["session"] == last
    ]
    low = 1_764_115_200_000 + minutes * 60_000  # 2025-11-26 00:00 UTC
    source = MemorySource(log, outputs, 3)
    async with Replay(CONFIG, source, ReplayOptions(start=Bound(time_ms=low))) as run:
        releases = [release async for release in run.releases()]
    marks = greatest_marks(CONFIG, log[0])
    start = next(at for at, mark in enumerate(marks) if mark > low)
    assert as_messages(releases) == as_published(outputs, {0: start}, {0: len(log[0])})
    assert run.start_states["partition 0"]["lacking"] == "ES-NQ"


@pytest.mark.parametrize(
    ("symbols", "groups"),
    [(["ES"], []), ([], ["ES-NQ"]), (["AAA", "BBB"], []), (["NQ"], ["AAA"])],
)
async def test_a_selection_has_the_events_of_the_whole_of_its_symbols(
    symbols: list[str], groups: list[str]
) -> None:
    selection = selected(CONFIG, symbols, groups)
    start = parse_bound("--from", "2025-11-25T03:00Z")
    chosen, _ = await replayed(ReplayOptions(start=start, selection=selection))
    everything, _ = await replayed(ReplayOptions(start=start))
    names = {*symbols, *groups, *(CONFIG.group_of(symbol) for symbol in symbols)}
    for group in groups:
        names.update(CONFIG.members(group))
    wanted = [event for each in everything for event in each.events if event.symbol in names]
    assert [event for each in chosen for event in each.events] == wanted
    assert wanted


async def test_shares_of_the_groups_make_the_whole_together() -> None:
    options = ReplayOptions(start=parse_bound("--from", "2025-11-25"))
    everything, _ = await replayed(options)
    together: list[Release] = []
    for share in range(3):
        part, _ = await replayed(
            ReplayOptions(start=options.start, selection=Selection(share=(share, 3)))
        )
        together += part
    assert as_messages(sorted(together, key=by_partition)) == as_messages(
        sorted(everything, key=by_partition)
    )


def by_partition(release: Release) -> tuple[int, int]:
    return release.item.partition, release.item.offset


async def test_a_session_date_means_its_open_and_its_close() -> None:
    bounds = parse_bound("--from", "2025-11-25"), parse_bound("--to", "2025-11-25")
    selection = selected(CONFIG, ["BBB"], [])
    releases, _ = await replayed(
        ReplayOptions(start=bounds[0], stop=bounds[1], selection=selection)
    )
    marks = [each.watermark_ms for each in releases if each.watermark_ms is not None]
    opens = datetime(2025, 11, 25, 14, 30, tzinfo=UTC).timestamp() * 1_000
    closes = datetime(2025, 11, 25, 21, 0, tzinfo=UTC).timestamp() * 1_000
    assert opens < min(marks) <= opens + 3_600_000
    assert closes - 3_600_000 < max(marks) <= closes


async def test_offsets_bound_a_stretch_exactly() -> None:
    start = parse_offsets("--from-offset", ["0:100", "1:50", "2:70"])
    stop = parse_offsets("--to-offset", ["0:200", "1:51", "2:300"])
    releases, _ = await replayed(ReplayOptions(start=start, stop=stop))
    assert start.offsets is not None
    assert stop.offsets is not None
    expected = as_published(LIVE, dict(start.offsets), dict(stop.offsets))
    assert as_messages(releases) == expected


async def test_warm_up_leaves_out_the_history_before_it() -> None:
    start = parse_bound("--from", "2025-11-26")
    _, run = await replayed(ReplayOptions(start=start, snapshots=False, warmup_sessions=1))
    assert max(run.read_from.values()) > 0
    for partition, begun in run.read_from.items():
        # Where nothing lies before the warm-up, nothing was left out.
        kind = "warm-up" if begun else "log start"
        assert run.start_states[f"partition {partition}"] == {"kind": kind, "offset": begun}


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("2025-13-01", "neither a session date nor an ISO time"),
        ("2025-12-09T10:00", "has no offset"),
        ("yesterday", "neither a session date nor an ISO time"),
    ],
)
def test_a_bound_that_is_no_time_is_refused(text: str, refusal: str) -> None:
    with pytest.raises(InputError, match=refusal):
        parse_bound("--from", text)


@pytest.mark.parametrize("text", ["x", "1:", ":5:6", "-1"])
def test_an_offset_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give OFFSET or PARTITION:OFFSET"):
        parse_offsets("--to-offset", [text])


def test_a_second_offset_of_a_partition_is_refused() -> None:
    with pytest.raises(InputError, match="--to-offset 0:7: partition 0 was given before"):
        parse_offsets("--to-offset", ["5", "1:5", "0:7"])


async def test_an_end_before_the_start_is_refused() -> None:
    options = ReplayOptions(
        start=parse_bound("--from", "2025-11-26T00:00Z"),
        stop=parse_bound("--to", "2025-11-25T00:00Z"),
    )
    with pytest.raises(InputError, match="does not lie before"):
        await replayed(options)


async def test_a_reader_who_leaves_early_leaves_nothing_open() -> None:
    source = MemorySource(LOG, LIVE, 1)
    async with Replay(CONFIG, source) as run:
        async for _ in run:
            break
    assert source.opened == 0
    cut = asyncio.create_task(read_slowly(source))
    while source.opened == 0:
        await asyncio.sleep(0)
    cut.cancel()
    await asyncio.wait([cut])
    assert cut.cancelled()
    assert source.opened == 0


async def read_slowly(source: MemorySource) -> None:
    async with Replay(CONFIG, source) as run:
        async for _ in run:
            await asyncio.sleep(0.001)
