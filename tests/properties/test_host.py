"""A host under bars, corrections and clocks, killed anywhere: its bytes, and what it promises.

`TAPELINE_LONG=<seed>` runs far more steps, with that seed.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, ClassVar
from zlib import crc32

import hypothesis
import msgspec
import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.host_events import IssuedSignal
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.host.checked_needs import checked_needs
from tapeline.streams.host.host import Host
from tapeline.streams.host.market import HostRecord, RouterMarket
from tapeline.streams.host.plan import HostPlan, LoadedStrategy
from tapeline.streams.host.strategy import Needs, Now, Setup, Signal, Strategy
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot

MINUTE_MS = 60_000
SYMBOLS = ("ACME", "BETA")
CONFIG = read_config(
    """
[instruments.ACME]
tick = 0.01
calendar = "XNYS"
ranges = ["prior_session"]
indicators = ["own"]
[instruments.BETA]
tick = 0.01
calendar = "XNYS"
ranges = ["prior_session"]
indicators = ["own"]
[groups]
AB = ["ACME", "BETA"]
[indicators.own]
list = ["sma(3)"]
intervals = ["1m", "5m"]
[accounts.default]
min_quality = 0
[accounts.second]
min_quality = 50
max_quantity = 2
""",
    "machine",
)
CALENDAR = load_calendar("XNYS")
FIRST_SESSION = CALENDAR.session_of(1_751_463_000_000)


def slots() -> list[int]:
    """The last minutes of a session, those of a short one, and the first of a third."""
    found: list[int] = []
    for index, first, count in ((0, 370, 20), (1, 195, 15), (2, 0, 25), (3, 380, 10)):
        session = FIRST_SESSION + index
        found += [
            CALENDAR.slot_start(session, slot, MINUTE_MS) for slot in range(first, first + count)
        ]
    return found


SLOTS = slots()


class Erratic(Strategy):
    """Does what a checksum of its argument says: the same in every process.

    Attributes
    ----------
    seen_early
        Facts and bars that it got before they were known; there must be none.
    """

    fails_at: ClassVar[int] = 1 << 30
    seen_early: ClassVar[list[str]] = []

    def setup(self, config: Setup) -> Needs:
        return Needs(
            bars={"1m": 4, "5m": 2},
            indicators=["sma_3_1m", "sma_3_5m"],
            events=["gap", "range", "touch", "session", "swing"],
            sessions=1,
        )

    def _act(self, name: str, key: str, symbol: str, now: Now) -> None:
        memory = self.memory
        memory["calls"] = memory.get("calls", 0) + 1
        if memory["calls"] > self.fails_at:
            raise ValueError(f"call {memory['calls']}")
        draw = crc32(f"{key} {memory['calls']} {name}".encode())
        view = now.view
        if draw % 3 == 0:
            self._read(symbol, now)
        if draw % 5 == 0:
            stop = None
            price = 100.0 + draw % 7 - 3
            action = ("buy", "sell", "close", "hold")[draw // 5 % 4]
            order = (
                ("market", "limit", "stop")[draw // 20 % 3]
                if action in {"buy", "sell"}
                else "market"
            )
            if action == "buy" and draw % 2:
                stop = 90.0
            made = Signal(
                symbol,
                action,  # type: ignore[arg-type]
                order=order,  # type: ignore[arg-type]
                price=None if order == "market" else price,
                stop=stop,
                quantity=1 + draw % 3,
                confidence=(draw % 10) / 10,
                metadata={"calls": memory["calls"]},
                valid_bars=(None, 1, 4)[draw // 60 % 3],
            )
            issued = view.signals()
            if issued and draw % 4 == 0:
                memory["last"] = now.replace(issued[draw % len(issued)].id, made)
            else:
                memory["last"] = now.emit(made)
        elif draw % 7 == 0 and view.signals():
            now.cancel(view.signals()[-1].id)

    def _read(self, symbol: str, now: Now) -> None:
        view = now.view
        bars = [*view.bars(symbol, "1m"), *view.bars(symbol, "5m")]
        facts = [
            *view.gaps(symbol),
            *view.ranges(symbol),
            *view.touches(symbol),
            view.session(symbol),
        ]
        view.indicator(symbol, "sma_3_5m")
        view.indicator(symbol, "sma_3_1m", 1)
        view.position(symbol)
        early = [each.start_ms for each in bars if each.start_ms + MINUTE_MS > now.ms]
        early += [each.id for each in facts if each is not None and each.event_ms > now.ms]
        type(self).seen_early.extend(str(each) for each in early)

    def on_session(self, session: Any, now: Now) -> None:
        self._act("session", session.id, session.symbol, now)

    def on_bar(self, bar: Bar, now: Now) -> None:
        self._act("bar", f"{bar.symbol} {bar.start_ms} {bar.close}", bar.symbol, now)

    def on_bars(self, symbol: str, interval: str, bar: Any, now: Now) -> None:
        self._act("bars", f"{bar.id} {bar.close}", symbol, now)

    def on_event(self, event: Any, now: Now) -> None:
        self._act("event", f"{event.id} {event.rev}", event.symbol, now)

    def on_correction(self, record: Any, start_ms: int, symbol: str, now: Now) -> None:
        self._act("correction", f"{symbol} {start_ms}", symbol, now)

    def on_note(self, note: Any, now: Now) -> None:
        self._act("note", f"{note.id} {note.rev}", note.symbol, now)

    def on_fill(self, fill: Any, now: Now) -> None:
        self._act("fill", fill.id, fill.symbol, now)

    def on_signal_closed(self, signal: Any, now: Now) -> None:
        self._act("closed", signal.id, signal.symbol, now)

    def on_decision(self, decision: Any, now: Now) -> None:
        if crc32(decision.id.encode()) % 4 == 0:
            self.memory["decisions"] = self.memory.get("decisions", 0) + 1


class Failing(Erratic):
    """Fails in the middle."""

    fails_at = 40
    seen_early: ClassVar[list[str]] = []


def strategies() -> tuple[LoadedStrategy, ...]:
    found = []
    for name, make, account in (
        ("calm", Erratic, "default"), ("failing", Failing, "default"), ("other", Erratic, "second"),
    ):  # fmt: skip
        needs = checked_needs(name, make, {}, SYMBOLS, CONFIG)
        found.append(
            LoadedStrategy(
                name=name,
                make=make,
                version="0" * 12,
                settings={},
                symbols=SYMBOLS,
                account=account,
                needs=needs,
                on_fault="flatten" if make is Failing else "hold",
            )
        )
    return tuple(found)


PLAN = HostPlan(CONFIG, strategies())


class Process:
    """Engines and a host, as a driver has them; `store` and `kill` are its crash recipe."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.engine_state: Any = None
        self.since: list[tuple[int, LogRecord]] = []
        self._begin()

    def _begin(self) -> None:
        def make(group: str) -> GroupSlot:
            plan = plan_group(CONFIG, group)
            if self.engine_state is None:
                return GroupSlot(group, GroupEngine(plan))
            return GroupSlot(group, GroupEngine.restore(plan, orjson.loads(self.engine_state)))

        self.router = Router(CONFIG, make)
        self.drive = Drive(self.router)
        self.host = Host(PLAN, RouterMarket(self.router))
        if self.table:
            self.router.slot("AB")
            self.host.restore(orjson.loads(orjson.dumps(self.table)))

    def take(self, record: LogRecord, offset: int) -> list[Any]:
        """One record; what the host publishes."""
        self.since.append((offset, record))
        try:
            outcome = self.drive.apply(record, offset)
        except RecordRejected:
            return []
        return self.host.take(
            HostRecord(
                offset,
                0,
                offset,
                record,
                "AB",
                outcome.kind,
                list(outcome.events),
                outcome.correction,
                outcome.watermark_ms,
            )
        )

    def store(self) -> None:
        """Write what changed, with the state of the engines."""
        for key, value in orjson.loads(orjson.dumps(self.host.changed())).items():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value
        self.engine_state = orjson.dumps(self.router.group_engine("AB").snapshot())
        self.since = []

    def kill(self) -> list[Any]:
        """Go on from the last state; what is published again."""
        lost = self.since
        self.since = []
        self._begin()
        return [event for offset, record in lost for event in self.take(record, offset)]


def wire(events: list[Any]) -> bytes:
    return b"\n".join(msgspec.json.encode(event) for event in events)


class Hosting(RuleBasedStateMachine):
    """A host that is never stopped beside one that is killed: the same bytes, the same promises."""

    @initialize(count=st.integers(0, 12))
    def open_the_market(self, count: int) -> None:
        Erratic.seen_early.clear()
        Failing.seen_early.clear()
        self.steady = Process()
        self.killed = Process()
        self.published: list[Any] = []
        self.since_store: list[Any] = []
        self.offset = 0
        self.next = dict.fromkeys(SYMBOLS, 0)
        self.waiting: list[LogRecord] = []
        self.known: list[Bar] = []
        self.the_next_bars("AB", count, 0, 0)

    def _take(self, record: LogRecord) -> None:
        expected = self.steady.take(record, self.offset)
        found = self.killed.take(record, self.offset)
        assert wire(found) == wire(expected)
        self.published += expected
        self.since_store += expected
        self.offset += 1
        if isinstance(record, Bar):
            self.known.append(record)

    @rule(
        who=st.sampled_from(("A", "B", "AB", "AB")),
        count=st.integers(1, 12),
        late=st.sampled_from((0, 0, 0, 3)),
        seed=st.integers(0, 1000),
    )
    def the_next_bars(self, who: str, count: int, late: int, seed: int) -> None:
        for number in range(count):
            for symbol in SYMBOLS:
                if symbol[0] in who and self.next[symbol] < len(SLOTS):
                    start_ms = SLOTS[self.next[symbol]]
                    self.next[symbol] += 1
                    price = 100.0 + crc32(f"{symbol} {start_ms} {seed}".encode()) % 9 - 4
                    bar = Bar(
                        symbol,
                        "1m",
                        start_ms,
                        100.0,
                        max(100.0, price),
                        min(100.0, price),
                        price,
                        5,
                    )
                    if late and number % late == 1:
                        self.waiting.append(bar)
                    else:
                        self._take(bar)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 100))
    def a_bar_comes_late(self, which: int) -> None:
        self._take(self.waiting.pop(which % len(self.waiting)))

    @precondition(lambda self: self.known)
    @rule(back=st.integers(0, 12), price=st.integers(95, 105))
    def a_bar_is_changed(self, back: int, price: int) -> None:
        bar = self.known[-1 - back % len(self.known)]
        new = float(price)
        high, low = max(bar.open, new), min(bar.open, new)
        self._take(msgspec.structs.replace(bar, close=new, high=high, low=low))

    @precondition(lambda self: self.known)
    @rule(back=st.integers(0, 12))
    def a_bar_is_cancelled(self, back: int) -> None:
        bar = self.known[-1 - back % len(self.known)]
        self._take(Cancel(bar.symbol, "1m", bar.start_ms))

    @rule(symbol=st.sampled_from(SYMBOLS), ahead=st.integers(0, 3))
    def a_clock_strikes(self, symbol: str, ahead: int) -> None:
        slot = min(self.next[symbol] + ahead, len(SLOTS) - 1)
        self._take(Clock(symbol, SLOTS[slot]))
        while self.next[symbol] < len(SLOTS) and SLOTS[self.next[symbol]] < SLOTS[slot]:
            self.next[symbol] += 1

    @rule()
    def the_state_is_stored(self) -> None:
        self.killed.store()
        self.since_store = []

    @rule()
    def the_host_is_killed(self) -> None:
        assert wire(self.killed.kill()) == wire(self.since_store)

    @invariant()
    def nothing_is_known_early(self) -> None:
        assert Erratic.seen_early == []
        assert Failing.seen_early == []

    def teardown(self) -> None:
        if hasattr(self, "published"):
            check_promises(self.published)


def check_promises(published: list[Any]) -> None:
    """What a host owes its consumers, over all that it published."""
    seqs = [event.seq for event in published]
    assert seqs == sorted(set(seqs))
    first: dict[str, IssuedSignal] = {}
    closed: Counter[str] = Counter()
    for event in published:
        if not isinstance(event, IssuedSignal):
            continue
        known = first.setdefault(event.id, event)
        assert content(event) == content(known), "content is frozen at issue"
        assert closed[event.id] == 0, "a signal is closed once, and for good"
        closed[event.id] += event.state != "issued"
    decisions = Counter(event.signal for event in published if tag(event) == "decision")
    assert decisions == Counter(dict.fromkeys(first, 1)), "one decision a signal"
    revisions: Counter[str] = Counter()
    for event in published:
        if tag(event) == "note":
            assert event.signal in first
            assert event.rev == revisions[event.id]
            revisions[event.id] += 1
    assert Counter(each.state for each in published if tag(each) == "strategy")["faulted"] <= 1


def content(signal: IssuedSignal) -> Any:
    return msgspec.structs.replace(
        signal, seq=0, session=None, event_ms=0, watermark_ms=0, cause={}, state="issued",
        closed_ms=None, close_reason=None,
    )  # fmt: skip


def tag(event: Any) -> str:
    return str(event.__struct_config__.tag)


LONG = os.environ.get("TAPELINE_LONG")


def test_a_host_that_is_killed_anywhere_keeps_its_promises() -> None:
    if LONG is None:
        run_state_machine_as_test(
            Hosting, settings=settings(max_examples=12, stateful_step_count=25, deadline=None)
        )
        return
    seeded = hypothesis.seed(int(LONG))(Hosting)
    run_state_machine_as_test(
        seeded,
        settings=settings(
            max_examples=300, stateful_step_count=60, deadline=None, derandomize=False,
            print_blob=True,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("broken", ["content", "decision", "closed", "order"])
def test_promises_that_are_broken_are_noticed(broken: str) -> None:
    process = Process()
    published = [
        event
        for offset, start_ms in enumerate(SLOTS)
        for symbol in SYMBOLS
        for event in process.take(
            Bar(symbol, "1m", start_ms, 100.0, 103.0, 98.0, 100.0 + offset % 3, 5),
            offset * 2 + SYMBOLS.index(symbol),
        )
    ]
    check_promises(published)
    at = next(
        number
        for number, event in enumerate(published)
        if isinstance(event, IssuedSignal) and event.state != "issued"
    )
    event = published[at]
    if broken == "content":
        published[at] = msgspec.structs.replace(event, confidence=0.123)
    elif broken == "decision":
        published = [each for each in published if each.id != f"decision|{event.id}"]
    elif broken == "closed":
        published.append(msgspec.structs.replace(event, seq=published[-1].seq + 1))
    else:
        published[at] = msgspec.structs.replace(event, seq=0)
    with pytest.raises(AssertionError):
        check_promises(published)
