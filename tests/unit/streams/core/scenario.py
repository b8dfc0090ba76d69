"""Small books written by hand, and the view they give."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.calendar import EARLY_CLOSE, LATE_OPEN, Calendar
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.pipeline.planning import plan_group
from tests.properties.folding import fold

NEW_YORK = ZoneInfo("America/New_York")
UTC = ZoneInfo("UTC")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def at(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    """Epoch milliseconds of a wall time such as ``2025-07-02 09:30``, in New York by default."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


def utc(text: str) -> int:
    """Epoch milliseconds of a UTC time such as ``2025-07-02 09:30``."""
    return at(text, UTC)


def when(instant_ms: int | None, zone: ZoneInfo = NEW_YORK) -> str | None:
    """Wall time of an instant, to read and compare; None stays None."""
    if instant_ms is None:
        return None
    return datetime.fromtimestamp(instant_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def day_number(iso: str) -> int:
    """Days from 1970-01-01 to an ISO date."""
    return date.fromisoformat(iso).toordinal() - date(1970, 1, 1).toordinal()


def flat(
    symbol: str,
    start: str | int,
    price: float,
    interval: str = "1m",
    volume: int | float | None = 1,
) -> Bar:
    """A bar without movement."""
    start_ms = at(start) if isinstance(start, str) else start
    return Bar(symbol, interval, start_ms, price, price, price, price, volume)


def bar(symbol: str, start: str | int, low: float, high: float, close: float | None = None) -> Bar:
    """A bar that opens at its low, and closes there by default."""
    start_ms = at(start) if isinstance(start, str) else start
    return Bar(symbol, "1m", start_ms, low, high, low, low if close is None else close, 1)


def minutes(symbol: str, start: str | int, count: int, price: float = 100.0) -> list[LogRecord]:
    """So many flat bars in a row."""
    first = at(start) if isinstance(start, str) else start
    return [flat(symbol, first + number * MINUTE_MS, price) for number in range(count)]


def run_of(
    symbol: str, start: int, interval: str, count: int, price: float = 100.0
) -> list[LogRecord]:
    """So many flat bars of any interval in a row."""
    length = parse_interval(interval).length_ms
    return [flat(symbol, start + number * length, price, interval) for number in range(count)]


class Tape:
    """One engine, what it published, and what it refused.

    Parameters
    ----------
    toml
        Configuration over the built-in one.
    group
        Group whose records are given.
    plan
        Plan of the engine, instead of one from the configuration.
    """

    def __init__(self, toml: str = "", group: str = "ES-NQ", plan: GroupPlan | None = None) -> None:
        self.plan = plan_group(read_config(toml, "scenario"), group) if plan is None else plan
        self.engine = GroupEngine(self.plan)
        self.events: list[Any] = []
        self.rejected: list[str] = []
        self.outcome: Outcome | None = None
        self._offset = 0

    def take(self, *records: LogRecord) -> list[Any]:
        """Hand records over; returns the events of the last one."""
        published: list[Any] = []
        for record in records:
            published = []
            self.outcome = None
            try:
                self.outcome = self.engine.apply(record, self._offset)
                published = self.outcome.events
            except RecordRejected as error:
                self.rejected.append(error.code)
            self._offset += 1
            self.events += published
        return published

    def clock(self, symbol: str, time: str | int) -> list[Any]:
        """Hand a clock record over."""
        return self.take(Clock(symbol, at(time) if isinstance(time, str) else time))

    @property
    def kind(self) -> str:
        """What became of the last record; it must not have been refused."""
        assert self.outcome is not None
        return self.outcome.kind

    @property
    def correction(self) -> Correction | None:
        """What the last record corrected; it must not have been refused."""
        assert self.outcome is not None
        return self.outcome.correction

    def restart(self) -> None:
        """Go on with an engine restored from the state of this one, through JSON."""
        state = json.loads(json.dumps(self.engine.snapshot()))
        self.engine = GroupEngine.restore(self.plan, state)

    def state(self) -> str:
        """State of the symbols as JSON, without the offset."""
        state = self.engine.snapshot()
        del state["hot"]["offset"]
        return json.dumps(state)

    @property
    def view(self) -> dict[str, dict[str, Any]]:
        """What the events fold to."""
        return fold(self.events)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Facts of one type by id."""
        return {key: fact for key, fact in self.view.items() if fact["type"] == kind}

    def versions(self, identity: str) -> list[Any]:
        """Every published version of one fact, in order."""
        return [event for event in self.events if event.id == identity]


XNYS = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'


def equity(extra: str = "", sections: str = "") -> Tape:
    """An equity on XNYS, with more keys of its own and more sections."""
    return Tape(XNYS + extra + sections, "ACME")


def coin(extra: str = "", sections: str = "") -> Tape:
    """A symbol on 24/7, whole ticks, idle for as long as it likes."""
    toml = '[instruments.COIN]\ntick = 1\ncalendar = "24/7"\nmax_ahead = 0\n'
    return Tape(toml + extra + sections, "COIN")


LUNCH_DATES = ("2025-07-02", "2025-07-03", "2025-07-04", "2025-07-07")


def lunch_calendar() -> Calendar:
    """Four sessions of two segments, 09:30-12:00 and 13:00-16:00 UTC.

    The second one opens late, at 10:00; the third one closes early, before lunch.
    """
    opens, closes = [], []
    for day, morning in zip(LUNCH_DATES, ("09:30", "10:00", "09:30", "09:30"), strict=True):
        opens.append([utc(f"{day} {morning}"), utc(f"{day} 13:00")])
        closes.append([utc(f"{day} 12:00"), utc(f"{day} 16:00")])
    del opens[2][1], closes[2][1]
    days = [day_number(day) for day in LUNCH_DATES]
    flags = [0, LATE_OPEN, EARLY_CLOSE, 0]
    first, last = utc("2025-07-02 00:00"), closes[-1][-1]
    return Calendar("LUNCH", days, opens, closes, flags, first, last)


def lunch(base: str = "1m", intervals: Iterable[str] = ("60m", "240m", "1d", "1w")) -> Tape:
    """HK on the calendar with a break at noon."""
    instrument = InstrumentPlan(
        symbol="HK",
        calendar=lunch_calendar(),
        base=parse_interval(base),
        scale=TickScale("0.01", False),
        intervals=sorted(parse_interval(name) for name in intervals),
        kinds=[],
        publish_incomplete=True,
        swings=True,
        structural_class=3,
        quality=True,
        horizon_sessions=10,
        max_ahead_ms=0,
        earliest_ms=utc("1990-01-01 00:00"),
        latest_ms=utc("2100-01-01 00:00"),
        computed=[],
        indicators=[],
    )
    return Tape(plan=GroupPlan("HK", [instrument]))


def template(name: str, zone: str, *kinds: dict[str, object]) -> str:
    """Section of an own range template; daily kinds unless they set another."""
    lines = [f"[templates.{name}]", f'zone = "{zone}"']
    for kind in kinds:
        lines.append(f"[[templates.{name}.kinds]]")
        lines += [
            f"{key} = {json.dumps(value)}" for key, value in ({"period": "day"} | kind).items()
        ]
    return "\n".join(lines) + "\n"


TEST_KIND: dict[str, object] = {"kind": "Test", "label": "t", "start": "00:00", "until": "00:02"}
TEST_DAY = "2025-07-02"


def two_minutes(**changes: object) -> Tape:
    """COIN with one daily range of two minutes from midnight UTC, changed."""
    own = template("own", "UTC", TEST_KIND | changes)
    return coin('ranges = ["own"]\n', own)


def minute_of(number: int, low: float, high: float, close: float | None = None) -> Bar:
    """COIN's bar of a minute of the test's day, opening at its low."""
    return bar("COIN", utc(f"{TEST_DAY} 00:00") + number * MINUTE_MS, low, high, close)
