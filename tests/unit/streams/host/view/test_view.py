"""`now.view`: what can be read, as of the call, and what is noted of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tapeline.schemas.host_events import Span
from tapeline.schemas.records import Cancel
from tapeline.streams.host.errors import NotInNeedsError
from tapeline.streams.host.strategy import Needs, Setup, Signal, Strategy
from tests.unit.streams.core.scenario import MINUTE_MS, at, flat
from tests.unit.streams.host.scene import (
    ACME,
    AVERAGES,
    OPEN,
    HostScene,
    minute,
    scripted,
)

LIMIT = Signal("ACME", "buy", order="limit", price=1.0)
RANGES = ACME + 'ranges = ["prior_session"]\n'
WINDOWS = ACME + '[windows.volume]\nkind = "sum"\nfield = "volume"\nperiod = "1d"\n'


class Reader:
    """Evaluates something in the view at every call of one hook."""

    def __init__(self, toml: str, needs: Needs, read: Callable[[Any], Any], hook: str = "bar"):
        self.seen: list[Any] = []

        def script(strategy: Any, called: str, argument: Any, now: Any) -> None:
            if called == hook:
                self.seen.append(read(now))

        self.scene = HostScene(toml, scripted(script, needs))


def starts(bars: list[Any]) -> list[int]:
    return [(each.start_ms - OPEN) // MINUTE_MS for each in bars]


def test_bars_are_the_last_ones_oldest_first_corrected_in_place() -> None:
    needs = Needs(bars={"1m": 3}, cold=True)
    reader = Reader(ACME, needs, lambda now: now.view.bars("ACME", "1m"))
    reader.scene.bars(5)
    assert [starts(each) for each in reader.seen] == [
        [0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4],
    ]  # fmt: skip
    reader.scene.take(minute(3, 101.0))
    reader.scene.bars(1)
    assert starts(reader.seen[-1]) == [3, 4, 5]
    assert [each.close for each in reader.seen[-1]] == [101.0, 100.0, 100.0]
    reader.scene.take(Cancel("ACME", "1m", OPEN + 4 * MINUTE_MS))
    reader.scene.take(minute(2, 99.0))
    reader.scene.bars(1)
    assert starts(reader.seen[-1]) == [3, 5, 6], "a cancelled bar is gone, an older one stays away"


def test_a_late_bar_takes_its_place_and_bars_off_session_are_none() -> None:
    reader = Reader(ACME, Needs(bars={"1m": 4}, cold=True), lambda now: now.view.bars("ACME", "1m"))
    reader.scene.take(flat("ACME", "2025-07-02 08:00", 50.0))
    assert reader.seen == [[]]
    reader.scene.take(minute(0), minute(1), minute(4), minute(2))
    reader.scene.bars(1)
    assert starts(reader.seen[-1]) == [1, 2, 4, 5]


def test_indicators_are_read_by_key_so_many_rows_back() -> None:
    needs = Needs(indicators=["sma_2_1m"])
    both = lambda now: [now.view.indicator("ACME", "sma_2_1m", back) for back in (0, 1)]  # noqa: E731
    reader = Reader(AVERAGES, needs, both)
    for price in (100.0, 102.0, 104.0):
        reader.scene.bars(1, price)
    assert reader.seen == [[101.0, None], [103.0, 101.0]], "hooks wait until the key is not cold"
    reader.scene.take(minute(0, 90.0))
    reader.scene.bars(1, 104.0)
    assert reader.seen[-1] == [104.0, 103.0]


def test_rows_that_grow_are_one_a_bar_too() -> None:
    toml = AVERAGES + 'publish = "latest"\n'
    needs = Needs(indicators=["sma_2_1m"])
    both = lambda now: [now.view.indicator("ACME", "sma_2_1m", back) for back in (0, 1)]  # noqa: E731
    reader = Reader(toml, needs, both)
    for price in (100.0, 102.0, 104.0):
        reader.scene.bars(1, price)
    assert reader.seen[-1] == [103.0, 101.0]
    reader.scene.take(Cancel("ACME", "1m", OPEN + 2 * MINUTE_MS))
    reader.scene.clock(OPEN + 3 * MINUTE_MS)
    reader.scene.take(minute(3, 110.0))
    assert reader.seen[-1] == [106.0, 101.0], "the row of the cancelled bar is gone"


READS: dict[str, Callable[[Any], Any]] = {
    "bars={'5m': 1}": lambda view: view.bars("ACME", "5m"),
    "bars={'1m': 4}": lambda view: view.bars("ACME", "1m", 4),
    "indicators=['ema_9_5m']": lambda view: view.indicator("ACME", "ema_9_5m"),
    "windows=['volume']": lambda view: view.window("ACME", "volume"),
    "events=['session']": lambda view: view.session("ACME"),
    "events=['quality']": lambda view: view.quality("ACME"),
    "events=['range']": lambda view: view.ranges("ACME"),
    "events=['touch']": lambda view: view.touches("ACME"),
    "events=['swing']": lambda view: view.swings("ACME"),
    "events=['pair']": lambda view: view.pairs("ACME"),
    "symbols=['BETA']": lambda view: view.bars("BETA", "1m"),
}


@pytest.mark.parametrize("missing", READS)
def test_reading_what_is_not_named_is_an_error_that_names_it(missing: str) -> None:
    errors: list[str] = []

    def read(now: Any) -> None:
        with pytest.raises(KeyError) as caught:
            READS[missing](now.view)
        assert isinstance(caught.value, NotInNeedsError)
        errors.append(str(caught.value))

    reader = Reader(ACME, Needs(bars={"1m": 3}, events=["gap"], cold=True), read)
    reader.scene.bars(1)
    assert errors == [f"strategy s0 reads what it did not name: Needs({missing})"]


def test_what_is_named_and_not_known_yet_is_none_or_empty() -> None:
    needs = Needs(bars={"5m": 2}, events=["gap", "session", "quality", "touch"], cold=True)

    def read(now: Any) -> Any:
        view = now.view
        return [
            view.bars("ACME", "5m"),
            view.bar("ACME", "5m"),
            view.gaps("ACME"),
            view.touches("ACME"),
        ]

    reader = Reader(ACME, needs, read)
    reader.scene.bars(1)
    assert reader.seen == [[[], None, [], []]]


def test_facts_of_the_last_sessions_are_kept_and_open_gaps_and_ranges_that_are_not_final() -> None:
    needs = Needs(events=["range", "session", "gap"], sessions=1)

    def read(now: Any) -> Any:
        view = now.view
        return (
            [each.session for each in view.ranges("ACME")],
            view.session("ACME").session,
            [each.missing for each in view.gaps("ACME")],
        )

    reader = Reader(RANGES, needs, read)
    scene = reader.scene
    scene.take(minute(0), minute(2))
    assert reader.seen[-1] == ([], "2025-07-02", [1])
    scene.take(*[flat("ACME", f"2025-07-03 09:3{number}", 50.0) for number in range(3)])
    assert reader.seen[-1] == (["2025-07-02"], "2025-07-03", []), "the range touched nothing yet"
    scene.take(flat("ACME", "2025-07-07 09:30", 80.0))
    assert reader.seen[-1][1] == "2025-07-07"
    assert "2025-07-02" not in reader.seen[-1][0], "it expired"


def test_a_window_is_the_one_of_the_latest_session() -> None:
    needs = Needs(windows=["volume"])
    reader = Reader(WINDOWS, needs, lambda now: now.view.window("ACME", "volume").value)
    reader.scene.bars(7)
    assert reader.seen == [], "hooks wait for the first one"
    reader.scene.take(flat("ACME", "2025-07-03 09:30", 100.0))
    assert reader.seen == [7]


def test_what_a_call_reads_before_it_emits_are_inputs_and_bars_are_spans() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bars":
            now.view.indicator("ACME", "sma_2_5m")
            now.view.bars("ACME", "5m", 2)
            now.view.position("ACME")
            now.view.signals()
            now.emit(LIMIT)
            now.view.indicator("ACME", "sma_2_5m", 1)

    needs = Needs(bars={"5m": 3}, indicators=["sma_2_5m"])
    scene = HostScene(AVERAGES, scripted(script, needs))
    scene.bars(15)
    [signal] = scene.of("signal")
    start_ms = OPEN + 10 * MINUTE_MS
    assert [each.id for each in signal.inputs] == [
        f"derived_bar|ACME|5m|{start_ms}",
        f"indicators|ACME|5m|{start_ms}",
    ]
    assert signal.spans == (Span("ACME", "5m", OPEN + 5 * MINUTE_MS, OPEN + 15 * MINUTE_MS),)


def test_a_base_bar_as_the_argument_is_a_span_of_its_own() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook in {"bar", "correction"}:
            now.emit(LIMIT)

    scene = HostScene(ACME, scripted(script))
    scene.bars(2)
    scene.take(minute(0, 99.0))
    assert [each.spans for each in scene.view("signal").values()] == [
        (Span("ACME", "1m", OPEN + number * MINUTE_MS, OPEN + (number + 1) * MINUTE_MS),)
        for number in (0, 1, 0)
    ]
    assert {each.inputs for each in scene.of("signal")} == {()}


def test_revisions_are_those_of_the_versions_that_were_read() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and now.ms >= OPEN + 12 * MINUTE_MS:
            now.view.indicator("ACME", "sma_2_5m")
            now.emit(LIMIT)

    needs = Needs(indicators=["sma_2_5m"], cold=True)
    scene = HostScene(AVERAGES, scripted(script, needs))
    scene.bars(12)
    scene.take(minute(9, 101.0))
    scene.bars(1)
    assert [[each.rev for each in signal.inputs] for signal in scene.of("signal")] == [[0], [1]]


def test_hooks_wait_for_bars_and_keys_and_once_warm_a_symbol_stays_warm() -> None:
    made = scripted(None, Needs(bars={"1m": 3}))
    scene = HostScene(ACME, made)
    scene.take(minute(0), minute(1))
    assert made.calls == []
    scene.take(minute(2))
    assert "bar" in [hook for hook, _, _ in made.calls]
    scene.take(Cancel("ACME", "1m", OPEN + MINUTE_MS))
    made.calls.clear()
    scene.restart(keep=True)
    scene.take(minute(3))
    assert "bar" in [hook for hook, _, _ in made.calls]


def test_a_symbol_is_warm_from_the_bar_on_that_completes_it_whether_it_is_called_or_not() -> None:
    corrected: list[int] = []

    class Corrections(Strategy):
        def setup(self, config: Setup) -> Needs:
            return Needs(bars={"1m": 4})

        def on_correction(self, record: Any, start_ms: int, symbol: str, now: Any) -> None:
            corrected.append(start_ms)

    scene = HostScene(ACME, Corrections)
    scene.bars(4)
    scene.take(Cancel("ACME", "1m", OPEN + 2 * MINUTE_MS))
    assert corrected == [OPEN + 2 * MINUTE_MS]


def test_a_signal_of_a_warm_symbol_is_not_cold_where_a_cancel_shortened_its_bars() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "correction":
            assert len(now.view.bars("ACME", "1m")) == 2
            now.emit(LIMIT)

    scene = HostScene(ACME, scripted(script, Needs(bars={"1m": 3})))
    scene.bars(4)
    scene.take(Cancel("ACME", "1m", OPEN + 2 * MINUTE_MS))
    [decision] = scene.of("decision")
    assert decision.checks[2].value == 0


def test_a_late_bar_counts_for_the_wait() -> None:
    made = scripted(None, Needs(bars={"1m": 3}))
    scene = HostScene(ACME, made)
    scene.take(minute(0), minute(2))
    assert made.calls == []
    scene.take(minute(1))
    assert made.calls[0][0] == "correction"


def test_a_signal_is_rejected_with_the_number_of_cold_keys_not_of_missing_bars() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            now.emit(LIMIT)

    needs = Needs(bars={"1m": 2, "5m": 1}, indicators=["sma_2_1m", "sma_2_5m"], cold=True)
    scene = HostScene(AVERAGES, scripted(script, needs))
    scene.bars(10)
    cold = [each.checks[2].value for each in scene.of("decision")]
    assert cold == [2, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert scene.of("decision")[0].code == "cold"


def test_a_position_is_seen_from_the_fill_on() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            strategy.memory.setdefault("seen", []).append(now.view.position("ACME").quantity)
            if now.view.position("ACME").quantity == 0:
                now.emit(Signal("ACME", "buy"))

    scene = HostScene(ACME, scripted(script))
    scene.bars(3)
    running = scene.host._running["s0"]
    assert running.strategy.memory["seen"] == [0, 1, 1]
    assert scene.host._running["s0"].view.watermark_ms("ACME") == OPEN + 3 * MINUTE_MS


def test_sessions_of_the_view_are_those_that_were_published() -> None:
    reader = Reader(ACME, Needs(events=["session"]), lambda now: now.view.session("ACME").state)
    reader.scene.bars(2)
    reader.scene.clock(at("2025-07-02 16:00"))
    reader.scene.take(flat("ACME", "2025-07-02 17:00", 100.0))
    assert reader.seen == ["open", "open", "closed"]
