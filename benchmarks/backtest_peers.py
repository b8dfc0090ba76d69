"""The crossover of benchmarks/backtest.py in other backtesters; it runs this in their environment.

    python benchmarks/backtest_peers.py nautilus_trader|backtrader|vectorbt BARS.csv

Rows of BARS.csv are symbol number, start_ms, open, high, low, close, volume, by time. Reading them
and making the objects of the library is not timed. One line of JSON: seconds, orders, version.
Averages of 5 and 20 closes of 5m bars, ten units long above, ten short below, at the next open.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from typing import Any

FAST, SLOW, QUANTITY, MINUTES = 5, 20, 10, 5
MINUTE_MS = 60_000
CASH = 100_000_000

Row = tuple[int, int, float, float, float, float, int]
Run = Callable[[], int]
"""Runs what was prepared; returns the number of orders."""


def rows_of(path: str) -> list[Row]:
    with open(path, newline="") as file:
        return [
            (int(a), int(b), float(c), float(d), float(e), float(f), int(g))
            for a, b, c, d, e, f, g in csv.reader(file)
        ]


def by_symbol(rows: list[Row]) -> list[list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return [found[each] for each in sorted(found)]


def nautilus_trader(rows: list[Row]) -> Run:
    config = import_module("nautilus_trader.config")
    engine_module = import_module("nautilus_trader.backtest.engine")
    data = import_module("nautilus_trader.model.data")
    enums = import_module("nautilus_trader.model.enums")
    identifiers = import_module("nautilus_trader.model.identifiers")
    objects = import_module("nautilus_trader.model.objects")
    providers = import_module("nautilus_trader.test_kit.providers")
    indicators = import_module("nautilus_trader.indicators")
    trading = import_module("nautilus_trader.trading.strategy")
    usd = import_module("nautilus_trader.model.currencies").USD

    class Crossover(trading.Strategy):  # type: ignore[name-defined, misc]
        def __init__(self, instruments: list[Any]) -> None:
            super().__init__()
            self.instruments = instruments
            self.averages: dict[Any, tuple[Any, Any]] = {}
            self.before: dict[Any, tuple[float, float]] = {}
            self.side: dict[Any, int] = {}
            self.orders = 0

        def on_start(self) -> None:
            for each in self.instruments:
                minute = data.BarType.from_str(f"{each.id}-1-MINUTE-LAST-EXTERNAL")
                self.subscribe_bars(minute)
                kind = data.BarType.from_str(
                    f"{each.id}-{MINUTES}-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL"
                )
                pair = tuple(indicators.SimpleMovingAverage(n) for n in (FAST, SLOW))
                for average in pair:
                    self.register_indicator_for_bars(kind, average)
                self.averages[kind.standard()] = pair
                self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            pair = self.averages.get(bar.bar_type.standard())
            if pair is None or not pair[1].initialized:
                return
            instrument = bar.bar_type.instrument_id
            fast, slow = pair[0].value, pair[1].value
            was = self.before.get(instrument)
            self.before[instrument] = fast, slow
            if was is None:
                return
            sign = crossed(*was, fast, slow)
            side = self.side.get(instrument, 0)
            if sign == 0 or sign == side:
                return
            self.side[instrument] = sign
            self.orders += 1
            self.submit_order(
                self.order_factory.market(
                    instrument,
                    enums.OrderSide.BUY if sign > 0 else enums.OrderSide.SELL,
                    objects.Quantity(QUANTITY * (2 if side else 1), 0),
                )
            )

    engine = engine_module.BacktestEngine(
        engine_module.BacktestEngineConfig(
            logging=config.LoggingConfig(bypass_logging=True),
            risk_engine=config.RiskEngineConfig(bypass=True),
            run_analysis=False,
            data_engine=config.DataEngineConfig(
                time_bars_build_with_no_updates=False, time_bars_build_delay=15
            ),
        )
    )
    engine.add_venue(
        identifiers.Venue("SIM"),
        oms_type=enums.OmsType.NETTING,
        account_type=enums.AccountType.MARGIN,
        base_currency=usd,
        starting_balances=[objects.Money(CASH, usd)],
        bar_execution=True,
    )
    count = max(row[0] for row in rows) + 1
    instruments = [providers.TestInstrumentProvider.equity(f"S{n}", "SIM") for n in range(count)]
    kinds = [data.BarType.from_str(f"{each.id}-1-MINUTE-LAST-EXTERNAL") for each in instruments]
    for each in instruments:
        engine.add_instrument(each)
    price, quantity = objects.Price, objects.Quantity
    bars = []
    for number, start_ms, opened, high, low, close, volume in rows:
        end = (start_ms + MINUTE_MS) * 1_000_000
        four = (price(value, 2) for value in (opened, high, low, close))
        bars.append(data.Bar(kinds[number], *four, quantity(volume, 0), end, end))
    engine.add_data(bars, sort=True)
    strategy = Crossover(instruments)
    engine.add_strategy(strategy)

    def run() -> int:
        engine.run()
        return strategy.orders

    return run


def backtrader(rows: list[Row]) -> Run:
    bt = import_module("backtrader")
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)

    class Rows(bt.feed.DataBase):  # type: ignore[name-defined, misc]
        params = (("rows", ()), ("timeframe", bt.TimeFrame.Minutes), ("compression", 1))

        def start(self) -> None:
            super().start()
            self._rows = iter(self.p.rows)

        def _load(self) -> bool:
            row = next(self._rows, None)
            if row is None:
                return False
            line = self.lines
            line.datetime[0], line.open[0], line.high[0], line.low[0] = row[:4]
            line.close[0], line.volume[0] = row[4:]
            line.openinterest[0] = 0.0
            return True

    class Crossover(bt.Strategy):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.orders = 0
            self.five = self.datas[1::2]
            self.seen = [0] * len(self.five)
            self.side = [0] * len(self.five)
            self.averages = [
                (
                    bt.indicators.SMA(each.close, period=FAST),
                    bt.indicators.SMA(each.close, period=SLOW),
                )
                for each in self.five
            ]

        def next(self) -> None:
            for at, five in enumerate(self.five):
                if len(five) == self.seen[at]:
                    continue
                self.seen[at] = len(five)
                fast, slow = self.averages[at]
                sign = crossed(fast[-1], slow[-1], fast[0], slow[0])
                if sign and sign != self.side[at]:
                    self.side[at] = sign
                    self.orders += 1
                    self.order_target_size(self.datas[2 * at], QUANTITY * sign)

    stamps: dict[int, float] = {}
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.setcash(CASH)
    for book in by_symbol(rows):
        found = []
        for _, start_ms, *prices in book:
            if start_ms not in stamps:
                end = epoch + timedelta(milliseconds=start_ms + MINUTE_MS)
                stamps[start_ms] = bt.date2num(end)
            found.append((stamps[start_ms], *prices))
        feed = Rows(rows=found)
        cerebro.adddata(feed)
        cerebro.resampledata(feed, timeframe=bt.TimeFrame.Minutes, compression=MINUTES)
    cerebro.addstrategy(Crossover)

    def run() -> int:
        [strategy] = cerebro.run()
        return int(strategy.orders)

    return run


def vectorbt(rows: list[Row]) -> Run:
    numpy, pandas = import_module("numpy"), import_module("pandas")
    vbt = import_module("vectorbt")
    frames = {}
    for book in by_symbol(rows):
        index = pandas.to_datetime([row[1] for row in book], unit="ms", utc=True)
        frames[book[0][0]] = pandas.DataFrame(
            {"open": [row[2] for row in book], "close": [row[5] for row in book]}, index=index
        )
    opens = pandas.DataFrame({number: each["open"] for number, each in frames.items()})
    closes = pandas.DataFrame({number: each["close"] for number, each in frames.items()})

    def run() -> int:
        every = f"{MINUTES}min"
        close, opened = (
            closes.resample(every).last().dropna(),
            opens.resample(every).first().dropna(),
        )
        fast, slow = close.rolling(FAST).mean(), close.rolling(SLOW).mean()
        before_fast, before_slow = fast.shift(1), slow.shift(1)
        up = (before_fast <= before_slow) & (fast > slow)
        down = (before_fast >= before_slow) & (fast < slow)
        portfolio = vbt.Portfolio.from_signals(
            close,
            entries=up.shift(1, fill_value=False),
            short_entries=down.shift(1, fill_value=False),
            price=opened,
            size=QUANTITY,
            init_cash=CASH,
            freq=every,
        )
        value = portfolio.value()
        assert numpy.isfinite(value.to_numpy()).all()
        return int(portfolio.orders.count().sum())

    # Its functions are compiled at their first call, which belongs to no bar.
    run()
    return run


def crossed(fast_before: float, slow_before: float, fast: float, slow: float) -> int:
    """+1 above, -1 below, 0 neither."""
    if fast_before <= slow_before and fast > slow:
        return 1
    return -1 if fast_before >= slow_before and fast < slow else 0


PEERS: dict[str, Callable[[list[Row]], Run]] = {
    "nautilus_trader": nautilus_trader,
    "backtrader": backtrader,
    "vectorbt": vectorbt,
}


def main() -> None:
    name, path = sys.argv[1:]
    rows = rows_of(path)
    run = PEERS[name](rows)
    begun, used = time.perf_counter(), time.process_time()
    orders = run()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    print(
        json.dumps(
            {
                "name": name,
                "version": version(name),
                "bars": len(rows),
                "orders": orders,
                "seconds": seconds,
                "cpu_seconds": cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
