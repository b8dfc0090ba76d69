"""How much history indicators and windows have, from their rows."""

from __future__ import annotations

import orjson
import pytest

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Indicators
from tapeline.schemas.records import Bar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.warm_up import (
    KEPT_ROWS,
    IndicatorRow,
    KeyHistory,
    RowTable,
    WindowHistory,
    indicator_history,
    window_history,
)

OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 New York: the open of XNYS."""
MINUTE_MS = 60_000
BY_BARS = (
    *("sma(3)", "ema(2)", "hma(4)", "macd(2, 3, 2)", "keltner(2, atr_period=3)", "rsi(2)"),
    *("stochastic(3)", "sma(2, of=sma_2_of_macd_2_3_2.signal)", "sma(2, of=macd_2_3_2.signal)"),
    *("ema(2, of=ema_2)", "adx(2)"),
)
BY_EVENTS = ("vwap", "psar", "pivot_points", "obv(anchor=history)")


def configured(*texts: str, interval: str = "1m") -> Config:
    listed = ", ".join(f'"{each}"' for each in texts)
    return read_config(
        '[instruments.A]\ntick = 0.01\ncalendar = "XNYS"\nindicators = ["own"]\n'
        f'[indicators.own]\nlist = [{listed}]\nintervals = ["{interval}"]\n',
        "test",
    )


def planned(*texts: str) -> IntervalIndicators:
    config = configured(*texts)
    instrument = config.instrument("A")
    assert instrument is not None
    [found] = config.indicators_for(instrument)
    return found


def rows_of(config: Config, bars: int) -> list[Indicators]:
    """Rows of a session that is seen from its open on."""
    engine = GroupEngine(plan_group(config, "A"))
    found = []
    for number in range(bars):
        price = 10.0 + number * number % 23
        bar = Bar("A", "1m", OPEN_MS + number * MINUTE_MS, price, price + 1, price, price, 5)
        found += [each for each in engine.apply(bar, number).events if isinstance(each, Indicators)]
    return found


def row(event: Indicators) -> IndicatorRow:
    return IndicatorRow(
        event.id, event.op, 0, event.start_ms, event.end_ms, event.cold, event.warming
    )


def test_a_key_is_cold_and_warming_for_as_many_bars_as_it_is_said_to_need() -> None:
    config = configured(*BY_BARS)
    listed = planned(*BY_BARS)
    nothing = indicator_history(listed, None, 0)
    assert len(nothing.cold) == len(listed.specifications)
    first = {each.key: each.need for each in nothing.cold}
    warm: dict[str, int] = {}
    for bars, event in enumerate(rows_of(config, 330), 1):
        found = indicator_history(listed, row(event), bars)
        cold = {each.key for each in found.cold}
        assert cold == {key for key, need in first.items() if need is not None and bars < need}
        warm.update({each.key: each.need for each in found.warming if each.need is not None})
        for each in (*found.cold, *found.warming):
            assert each.have == bars
            assert each.need is not None
            assert each.need > bars
        warming = {each.key for each in found.warming}
        assert warming == {key for key, need in warm.items() if bars < need and key not in cold}
    assert {"ema_2_1m", "ema_2_of_ema_2_1m", "rsi_2_1m", "adx_2_1m"} <= set(warm)
    assert found.warming == ()


def test_several_values_are_one_key_and_of_events_there_is_no_number() -> None:
    listed = planned("macd", *BY_EVENTS)
    event = rows_of(configured("macd", *BY_EVENTS), 20)[-1]
    found = indicator_history(listed, row(event), 20)
    assert found.indicators == 5
    assert (found.start_ms, found.end_ms) == (event.start_ms, event.end_ms)
    assert found.cold == (
        KeyHistory("macd_12_26_9_1m", 20, 34),
        KeyHistory("pivot_points_1m", 20, None),
    )
    assert [(each.key, each.need) for each in found.warming] == [
        ("obv_history_1m", None),
        ("psar_1m", None),
        ("vwap_1m", None),
    ]


def test_a_bar_that_began_before_history_does_not_warm() -> None:
    listed = planned("ema(2)")
    event = IndicatorRow("indicators|A|1m|0", "upsert", 0, 0, 1, (), ("ema_2_1m",))
    assert indicator_history(listed, event, 70).warming == (KeyHistory("ema_2_1m", 69, 70),)


def test_without_a_count_of_bars_the_need_is_known() -> None:
    listed = planned("sma(200)")
    event = IndicatorRow("indicators|A|1m|0", "upsert", 0, 0, 1, ("sma_200_1m",), ())
    assert indicator_history(listed, event, None).cold == (KeyHistory("sma_200_1m", None, 200),)
    nothing = indicator_history(listed, None, None)
    assert (nothing.end_ms, nothing.cold, nothing.warming) == (None, (), ())


def line(minute: int, rev: int = 0, op: str = "upsert", latest: bool = False) -> bytes:
    start_ms = OPEN_MS + minute * MINUTE_MS
    fact: dict[str, object] = {
        "type": "indicators",
        "id": "indicators|A|1m" if latest else f"indicators|A|1m|{start_ms}",
        "op": op,
        "rev": rev,
    }
    if op == "upsert":
        fact |= {"start_ms": start_ms, "end_ms": start_ms + MINUTE_MS, "cold": [], "warming": []}
    return orjson.dumps(fact)


LINES = {
    "one after the other": ([line(0), line(1)], 2, 1),
    "corrected": ([line(0), line(1), line(0, 1)], 2, 1),
    "late": ([line(1), line(0)], 2, 1),
    "the last one taken back": ([line(0), line(1), line(1, 1, "retract")], 1, 0),
    "and there again": ([line(0), line(1), line(1, 1, "retract"), line(1, 2)], 2, 1),
    "all taken back": ([line(0), line(0, 1, "retract")], 0, None),
    "many": ([line(minute) for minute in range(3 * KEPT_ROWS)], 3 * KEPT_ROWS, 3 * KEPT_ROWS - 1),
    "the latest": ([line(0, latest=True), line(1, latest=True)], 2, 1),
    "the latest, corrected": (
        [line(0, latest=True), line(1, latest=True), line(1, 1, latest=True)],
        2,
        1,
    ),
    "the latest, taken back": (
        [line(0, latest=True), line(1, latest=True), line(0, 1, latest=True)],
        1,
        0,
    ),
    "no latest any more": (
        [line(0, latest=True), line(0, 1, "retract", latest=True)],
        0,
        None,
    ),
}


@pytest.mark.parametrize(("lines", "bars", "last"), LINES.values(), ids=LINES.keys())
def test_bars_are_those_whose_rows_stand(lines: list[bytes], bars: int, last: int | None) -> None:
    table = RowTable()
    for each in lines:
        table.take_indicators(each)
    rows = table.rows("A", "1m")
    start_ms = None if rows.latest is None else rows.latest.start_ms
    assert (rows.bars, start_ms) == (bars, None if last is None else OPEN_MS + last * MINUTE_MS)
    assert table.rows("B", "1m").latest is None
    assert table.rows("A", "5m").bars == 0


def window(session: str, have: int, op: str = "upsert") -> bytes:
    fact = {"type": "window", "id": f"window|A|v|{session}", "op": op, "session": session}
    return orjson.dumps(fact | {"value": [1.5, None], "have": have, "need": 10})


def test_the_latest_value_of_a_window_counts() -> None:
    table = RowTable()
    assert window_history("v", table.window("A", "v")) == WindowHistory("v", None, None, None)
    for each in (window("2025-07-03", 1), window("2025-07-07", 2), window("2025-07-03", 0)):
        table.take_window(each)
    found = window_history("v", table.window("A", "v"))
    assert found == WindowHistory("v", "2025-07-07", 2, 10)
    table.take_window(window("2025-07-07", 0, "retract"))
    assert window_history("v", table.window("A", "v")).session == "2025-07-03"
    table.drop("window|A|v|2025-07-03")
    assert table.window("A", "v") is None
