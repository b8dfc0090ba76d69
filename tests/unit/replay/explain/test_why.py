"""Why an event is as it is: the records that published it, and bars that truly matter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from tapeline.replay.explain.chain import LoggedBar, Slots
from tapeline.replay.explain.why import Answer, Version, answer_data, why
from tapeline.replay.sources.files import FileSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Event, Retract, Swing, content_of
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router

RANGES = 'ranges = ["cme_index", "prior_session"]'
CONFIG = read_config(f"[instruments.ES]\n{RANGES}\n[instruments.NQ]\n{RANGES}\n", "test")
PAIRED = read_config("", "test")
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
OPEN_MS = 1_763_938_800_000
"""2025-11-23 18:00 New York: the open of the session of 24 November."""
HOLES = (100, 101, 333)
"""Minutes of ES that are missing."""
MINUTES = 420
MANY = 12
"""Of more bars than these a few are tried: the edges, those that gave a price, some between."""
FAR = 400.0


_Prices = tuple[float, float, float, float]


def book(symbol: str, seed: int, ticks: int) -> list[Bar]:
    """A session to its end, and the first hours of the next."""
    futures = load_calendar("CME_EQUITY")
    whole = list(sample_book(symbol, futures, "2025-11-21", 2, seed, ticks))
    # The last hour before a weekend, then the evening.
    return whole[1_320 : 1_380 + MINUTES]


def es_log() -> list[LogRecord]:
    """ES alone, with holes, a late bar, a changed one and a cancelled one."""
    bars = [bar for bar in book("ES", 1, 24_000) if bar.start_ms not in _labels(HOLES)]
    log: list[LogRecord] = list(bars)
    late = log.pop(60 + 52)
    log.insert(60 + 70, late)
    low = min(bars[60:200], key=lambda bar: bar.low)
    log.insert(300, replace(low, low=low.low - 5))
    log.insert(340, Cancel("ES", "1m", bars[310].start_ms))
    return log


def _labels(minutes: Iterable[int]) -> set[int]:
    return {OPEN_MS + minute * MINUTE_MS for minute in minutes}


def pair_log() -> list[LogRecord]:
    """ES and NQ, minute by minute."""
    both = zip(book("ES", 1, 24_000), book("NQ", 2, 96_000), strict=True)
    return [bar for pair in both for bar in pair]


def folded(config: Config, log: Iterable[LogRecord | None]) -> dict[str, Event]:
    """The view after a log; None holds an offset free."""
    drive = Drive(Router(config))
    facts: dict[str, Event] = {}
    for offset, record in enumerate(log):
        if record is None:
            continue
        try:
            events = drive.apply(record, offset).events
        except RecordRejected:
            continue
        for event in events:
            if isinstance(event, Retract):
                del facts[event.id]
            else:
                facts[event.id] = event
    return facts


def asked(folder: Path, config: Config, log: Sequence[LogRecord], fact_id: str) -> Answer | None:
    """The answer over the log as a file."""
    path = folder / "log.jsonl"
    path.write_bytes(b"\n".join(encode(record) for record in log) + b"\n")
    return asyncio.run(why(lambda: FileSource(config, [Source(str(path))]), config, fact_id))


def answered(folder: Path, config: Config, log: Sequence[LogRecord], fact_id: str) -> Answer:
    """The answer, which must be there."""
    answer = asked(folder, config, log, fact_id)
    assert answer is not None
    return answer


def some_id(facts: Mapping[str, Event], beginning: str, **fields: Any) -> str:
    """An id with a beginning and these fields: the middle one, so that bars lie on both sides."""
    found = [
        fact_id
        for fact_id in sorted(facts)
        if fact_id.startswith(beginning) and fields.items() <= to_builtins(facts[fact_id]).items()
    ]
    assert found, f"no {beginning} with {fields}"
    return found[len(found) // 2]


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a derived bar": ("derived_bar|ES|5m|", {"complete": True}),
    "a derived bar with a hole": ("derived_bar|ES|30m|", {"complete": False}),
    "a corrected derived bar": ("derived_bar|ES|", {"rev": 1}),
    "a day": ("derived_bar|ES|1d|", {}),
    "a session that has begun": ("session|ES|", {"state": "open"}),
    "a session that is over": ("session|ES|", {"state": "closed"}),
    "quality": ("quality|ES|1m|2025-11-24", {}),
    "a gap": ("gap|ES|1m|", {"missing": 2}),
    "a gap of one": ("gap|ES|1m|", {"missing": 1}),
    "a major range": ("range|ES|Major|Asia", {}),
    "a minor range": ("range|ES|Minor|", {"expired": False, "reason": None}),
    "an incomplete range": ("range|ES|Minor|", {"reason": "coverage"}),
    "the levels of the session before": ("range|ES|Prior", {}),
    "a first break": ("touch|ES|", {"event": "first_break"}),
    "a return": ("touch|ES|", {"event": "return"}),
    "a second break": ("touch|ES|", {"event": "second_break_opposite"}),
    "a resolution": ("touch|ES|", {"event": "resolved"}),
    "a touch of a high": ("touch|ES|", {"event": "touched_high"}),
    "a swing": ("swing|ES|", {"class": 1}),
    "a swing of class 2": ("swing|ES|", {"class": 2, "side": "low"}),
    "a swing of class 3": ("swing|ES|", {"class": 3, "side": "high"}),
    "a swing of class 4": ("swing|ES|", {"class": 4}),
}
PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "a pair": ("pair|ES-NQ|Minor", {"leader": "ES"}),
    "half a pair": ("pair|ES-NQ|", {"delta_min": None}),
}


@pytest.fixture(scope="module")
def facts() -> dict[str, Event]:
    """What ES alone leads to."""
    return folded(CONFIG, es_log())


@pytest.fixture(scope="module")
def pair_facts() -> dict[str, Event]:
    """What ES and NQ lead to."""
    return folded(PAIRED, pair_log())


def some_of(version: Version) -> list[LoggedBar]:
    """Bars to be tried: of a short list all."""
    chosen: dict[int, LoggedBar] = {}
    for cause in version.everything():
        bars = cause.bars
        step = max(1, len(bars) // 4)
        given = set(cause.gives.values())
        for at, each in enumerate(bars):
            if len(bars) <= MANY or at % step == 0 or each.bar.start_ms in given:
                chosen[each.offset] = each
    return list(chosen.values())


def others(bar: Bar) -> list[Bar | None]:
    """The bar far above, far below, and not there."""
    found: list[Bar | None] = []
    for away in (FAR, -FAR):
        price = bar.open + away
        found.append(replace(bar, open=price, high=price, low=price, close=price))
    return [*found, None]


def assert_every_bar_matters(config: Config, log: Sequence[LogRecord], version: Version) -> None:
    """Any of them otherwise, and the fact is another one, or none."""
    fact_id = (version.after or {})["id"]
    records: list[LogRecord | None] = list(log[: version.offset + 1])
    # The watermarks stay where they are, whichever bar is gone.
    ends = {each.symbol: 0 for each in log}
    for record in records:
        if isinstance(record, Bar):
            ends[record.symbol] = max(ends[record.symbol], record.start_ms + MINUTE_MS)
    clocks = [Clock(symbol, end) for symbol, end in ends.items() if end]

    def fact(offset: int, record: LogRecord | None) -> Any:
        log_again = [*records, *clocks]
        log_again[offset] = record
        found = folded(config, log_again).get(fact_id)
        return None if found is None else content_of(found)

    standing = fact(0, records[0])
    assert standing is not None
    for each in some_of(version):
        assert records[each.offset] == each.bar
        changed = [other for other in others(each.bar) if fact(each.offset, other) != standing]
        assert changed, f"{each.bar} does not matter for {fact_id}"
    for slots in (slots for cause in version.causes for slots in cause.missing):
        price = 6_000.0
        filled = Bar(slots.symbol, "1m", slots.start_ms, price, price, price, price, 1)
        found = folded(config, [*records, filled, *clocks]).get(fact_id)
        assert found is None or content_of(found) != standing


@pytest.mark.parametrize(("beginning", "fields"), CASES.values(), ids=CASES.keys())
def test_every_bar_that_is_named_matters(
    facts: Mapping[str, Event], tmp_path: Path, beginning: str, fields: dict[str, Any]
) -> None:
    log = es_log()
    fact_id = some_id(facts, beginning, **fields)
    version = answered(tmp_path, CONFIG, log, fact_id).last
    assert version.after == to_builtins(facts[fact_id])
    assert version.bars() or version.causes[0].missing
    assert_every_bar_matters(CONFIG, log, version)


@pytest.mark.parametrize(("beginning", "fields"), PAIRS.values(), ids=PAIRS.keys())
def test_every_bar_of_both_symbols_of_a_pair_matters(
    pair_facts: Mapping[str, Event], tmp_path: Path, beginning: str, fields: dict[str, Any]
) -> None:
    log = pair_log()
    fact_id = some_id(pair_facts, beginning, **fields)
    version = answered(tmp_path, PAIRED, log, fact_id).last
    assert version.after == to_builtins(pair_facts[fact_id])
    assert version.after is not None
    assert {each.bar.symbol for each in version.bars()} == {
        symbol for symbol, bar_ms in version.after["times"].items() if bar_ms is not None
    }
    assert_every_bar_matters(PAIRED, log, version)


def test_a_derived_bar_names_its_base_bars_and_who_gave_its_prices(tmp_path: Path) -> None:
    before: _Prices = (40.0, 50.0, 1.0, 40.0)
    prices: list[_Prices] = [
        (10, 12, 9, 11),
        (11, 15, 10, 12),
        (12, 13, 11, 13),
        (13, 14, 8, 9),
        (9, 10, 9, 10),
    ]
    log: list[LogRecord] = [
        Bar("ES", "1m", OPEN_MS + at * MINUTE_MS, open_, high, low, close, 7)
        for at, (open_, high, low, close) in enumerate([before] * 5 + prices)
    ]
    start_ms = OPEN_MS + 5 * MINUTE_MS
    answer = answered(tmp_path, CONFIG, log, f"derived_bar|ES|5m|{start_ms}")
    [version] = answer.versions
    [cause] = version.causes
    assert [(each.offset, each.bar) for each in cause.bars] == list(enumerate(log))[5:]
    assert {name: (label - start_ms) // MINUTE_MS for name, label in cause.gives.items()} == {
        "open": 0,
        "close": 4,
        "high": 1,
        "low": 3,
    }
    assert (version.partition, version.offset, version.record) == (0, 9, log[9])
    assert version.before is None
    window = version.state_before["ES"]["window"]
    assert (window["have"], window["high"], window["low"], window["volume"]) == (4, 15.0, 8.0, 28)
    assert version.state_after["ES"]["window"] is None
    assert version.state_after["ES"]["watermark_ms"] == start_ms + 5 * MINUTE_MS


def test_a_correction_is_shown_with_the_bar_before_and_after(tmp_path: Path) -> None:
    bars = [bar for bar in book("ES", 1, 24_000) if bar.start_ms >= OPEN_MS][:12]
    changed = replace(bars[2], high=bars[2].high + 50)
    log: list[LogRecord] = [*bars, changed, Cancel("ES", "1m", bars[3].start_ms)]
    answer = answered(tmp_path, CONFIG, log, f"derived_bar|ES|5m|{OPEN_MS}")
    made, corrected, cancelled = answer.versions
    assert [each.offset for each in answer.versions] == [4, 12, 13]
    assert [each.rev for each in answer.versions] == [0, 1, 2]
    assert made.corrected is None
    assert corrected.corrected is not None
    assert corrected.corrected.start_ms == bars[2].start_ms
    assert corrected.corrected.before == replace(bars[2], source=None)
    assert corrected.corrected.after == replace(changed, source=None)
    assert corrected.before == made.after
    assert corrected.after is not None
    assert corrected.after["high"] == changed.high
    assert corrected.bars()[2] == LoggedBar(changed, 12)
    # The bars as they were then, not as they became.
    assert made.bars()[2] == LoggedBar(bars[2], 2)
    assert cancelled.corrected is not None
    assert cancelled.corrected.after is None
    assert [each.offset for each in cancelled.bars()] == [0, 1, 12, 4]
    assert cancelled.causes[0].missing == [
        Slots("ES", bars[3].start_ms, bars[4].start_ms, 1),
    ]


def test_a_fact_that_was_taken_back_is_shown_to_its_end(tmp_path: Path) -> None:
    bars = [bar for bar in book("ES", 1, 24_000) if bar.start_ms >= OPEN_MS][:12]
    log: list[LogRecord] = [*bars[:4], *bars[5:], bars[4]]
    answer = answered(tmp_path, CONFIG, log, f"gap|ES|1m|{bars[4].start_ms}")
    made, gone = answer.versions
    assert (made.offset, gone.offset) == (4, 11)
    assert made.after is not None
    assert (gone.after, gone.causes, gone.before) == (None, [], made.after)
    assert answer.last == made
    assert [each.bar for each in made.bars()] == [bars[3], bars[5]]


def test_a_touch_is_shown_with_the_state_of_its_range(
    facts: Mapping[str, Event], tmp_path: Path
) -> None:
    fact_id = some_id(facts, "touch|ES|", event="return")
    version = answered(tmp_path, CONFIG, es_log(), fact_id).last
    assert version.state_before["ES"]["range"]["state"] == "first_break"
    assert version.state_after["ES"]["range"]["state"] == "return"
    roles = [cause.role for cause in version.causes]
    assert roles == ["the bar that touched", "range", "earlier touch"]
    assert version.causes[2].bars == []
    assert answer_data(answered(tmp_path, CONFIG, es_log(), fact_id))["found"]


def test_a_chain_does_not_depend_on_the_way_the_bars_came(
    facts: Mapping[str, Event], tmp_path: Path
) -> None:
    log = es_log()
    final: dict[int, LogRecord] = {}
    for record in log:
        if isinstance(record, Bar):
            final[record.start_ms] = record
        elif isinstance(record, Cancel):
            del final[record.start_ms]
    in_order = [final[label] for label in sorted(final)]
    assert len(in_order) < len(log)
    # Of a swing that was taken back nothing may be left among the neighbours.
    high = [id_ for id_, fact in facts.items() if isinstance(fact, Swing) and fact.class_ >= 3]
    assert len(high) > 5
    for fact_id in high:
        explained, plainly = (
            [
                (cause.role, cause.fact and cause.fact["id"], [each.bar for each in cause.bars])
                for cause in answered(tmp_path, CONFIG, records, fact_id).last.everything()
            ]
            for records in (log, in_order)
        )
        assert explained == plainly


def test_what_the_log_does_not_lead_to_has_no_answer(tmp_path: Path) -> None:
    assert asked(tmp_path, CONFIG, es_log(), "session|ES|2025-12-24") is None


@pytest.mark.parametrize(
    ("fact_id", "message"),
    [
        ("touch", "is no id"),
        ("swings|ES|1|low", "is no id"),
        ("reject|book.csv:17", "holds its own reason"),
        ("pair|ES-YM|Major|Asia 2025-11-24|TO|return", "group ES-YM is not configured"),
    ],
)
def test_what_is_no_id_is_refused(tmp_path: Path, fact_id: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked(tmp_path, CONFIG, es_log(), fact_id)


def test_a_row_of_indicators_names_its_bar_and_the_bars_it_looks_back_at(tmp_path: Path) -> None:
    config = read_config(
        '[indicators.own]\nlist = ["sma(3)"]\nintervals = ["5m"]\n'
        '[instruments.ES]\nindicators = ["own"]\n',
        "own",
    )
    log: list[LogRecord] = [
        Bar("ES", "1m", OPEN_MS + at * MINUTE_MS, 10.0 + at, 10.0 + at, 10.0 + at, 10.0 + at, 7)
        for at in range(30)
    ]
    start_ms = OPEN_MS + 20 * MINUTE_MS
    [version] = answered(tmp_path, config, log, f"indicators|ES|5m|{start_ms}").versions
    assert version.after is not None
    assert version.after["values"] == {"sma_3_5m": (24.0 + 29.0 + 34.0) / 3}
    spans = {
        cause.role: [(each.bar.start_ms - OPEN_MS) // MINUTE_MS for each in cause.bars]
        for cause in version.causes
    }
    assert spans == {"the bar": list(range(20, 25)), "look-back": list(range(10, 20))}


def test_a_window_names_the_bars_of_its_sessions(tmp_path: Path) -> None:
    config = read_config(
        '[instruments.ES]\n[groups]\nES-NQ = ["ES"]\n[windows.volume]\nkind = "sum"\n'
        'field = "volume"\nperiod = "1d"\n',
        "test",
    )

    bars = [
        Bar("ES", "1m", OPEN_MS + day * DAY_MS + minute * MINUTE_MS, 9.0, 9.0, 9.0, 9.0, 5 + minute)
        for day in (0, 1)
        for minute in (0, 1, 7)
    ]
    log: list[LogRecord] = [*bars, Clock("ES", OPEN_MS + 2 * DAY_MS)]
    answer = answered(tmp_path, config, log, "window|ES|volume|2025-11-26")
    [version] = answer.versions
    assert [each.bar for each in version.bars()] == bars[3:]
    assert (version.after or {})["value"] == 5 + 6 + 12
    assert_every_bar_matters(config, log, version)


def daily_log(first_minute: int, days: int = 2) -> list[Bar]:
    """Three bars a session, the first session from some minute on."""
    minutes = (0, 1, 7)
    return [
        Bar("ES", "1m", OPEN_MS + day * DAY_MS + minute * MINUTE_MS, 9.0, 9.0, 9.0, 9.0, 5 + minute)
        for day in range(days)
        for minute in minutes
        if day or minute >= first_minute
    ]


def window_of(field: str) -> Config:
    return read_config(
        '[instruments.ES]\n[groups]\nES-NQ = ["ES"]\n[windows.two]\nkind = "sum"\nperiod = "2d"\n'
        f'field = "{field}"\n',
        "test",
    )


@pytest.mark.parametrize(
    ("first_minute", "field", "named"),
    [
        (0, "volume", [0, 1, 2, 3, 4, 5]),
        (1, "volume", [2, 3, 4]),
        (0, "high", [0, 1, 2, 3, 4, 5]),
        (0, "open", [0, 3]),
        (1, "close", [4]),
    ],
)
def test_a_window_names_bars_of_all_its_sessions_that_count(
    tmp_path: Path, first_minute: int, field: str, named: list[int]
) -> None:
    config = window_of(field)
    bars = daily_log(first_minute)
    log: list[LogRecord] = [*bars, Clock("ES", OPEN_MS + 2 * DAY_MS)]
    [version] = answered(tmp_path, config, log, "window|ES|two|2025-11-26").versions
    assert [each.bar for each in version.bars()] == [bars[at] for at in named]
    assert (version.after or {})["have"] == (1 if first_minute else 2)
    assert_every_bar_matters(config, log, version)


def test_a_row_looks_back_through_all_that_its_indicators_follow(tmp_path: Path) -> None:
    config = read_config(
        "[indicators.own]\n"
        'list = ["sma(2, of=sma_2_of_bbands_2.upper)", "sma(2, of=bbands_2.upper)", "bbands(2)"]\n'
        'intervals = ["1m"]\n[instruments.ES]\nindicators = ["own"]\n',
        "own",
    )
    log: list[LogRecord] = [
        Bar("ES", "1m", OPEN_MS + at * MINUTE_MS, 10.0 + at, 10.0 + at, 10.0 + at, 10.0 + at, 7)
        for at in range(12)
    ]
    last = OPEN_MS + 11 * MINUTE_MS
    [version] = answered(tmp_path, config, log, f"indicators|ES|1m|{last}").versions
    spans = {
        cause.role: [(each.bar.start_ms - OPEN_MS) // MINUTE_MS for each in cause.bars]
        for cause in version.causes
    }
    assert spans == {"the bar": [11], "look-back": [8, 9, 10]}


def test_a_window_without_values_names_nothing(tmp_path: Path) -> None:
    config = read_config(
        '[windows.volume]\nkind = "sum"\nfield = "volume"\nperiod = "1d"\n', "test"
    )
    log: list[LogRecord] = [
        Bar("ES", "1m", OPEN_MS + MINUTE_MS, 9.0, 9.0, 9.0, 9.0, 5),
        Clock("ES", OPEN_MS + 24 * 60 * MINUTE_MS),
    ]
    answer = answered(tmp_path, config, log, "window|ES|volume|2025-11-25")
    assert answer.last.causes == []
