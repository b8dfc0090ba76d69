"""Backtest a rule on touches over the log, and print its trades.

    python examples/backtest_touches.py                                  # sample books
    python examples/backtest_touches.py log.jsonl
    python examples/backtest_touches.py --store DIR
    python examples/backtest_touches.py --topic --bootstrap localhost:9092 --from 2025-12-09

The rule: when a range's True Open is touched again after a first break (`return`), trade back
towards the side that was broken first, at the next bar's open, for half an hour. One position a
symbol. It shows how a strategy sees the log, it is no advice.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tapeline import (
    Bar,
    Config,
    Keywords,
    Now,
    Output,
    Range,
    Replay,
    Strategy,
    Touch,
    load_config,
    run_strategy,
    write_samples,
)

HOLD_MS = 30 * 60_000


class Trade(NamedTuple):
    """One trade: `side` +1 bought, -1 sold; prices in quote currency."""

    symbol: str
    side: int
    entry_ms: int
    entry: float
    exit_ms: int
    exit: float
    reason: str

    @property
    def points(self) -> float:
        return (self.exit - self.entry) * self.side


class Order(NamedTuple):
    side: int
    reason: str


class Position(NamedTuple):
    side: int
    entry_ms: int
    entry: float
    reason: str


class TradeReturns(Strategy):
    """The rule. It decides on events, and trades at the open of the bar that comes next."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self._ranges: dict[str, Range] = {}
        self._orders: dict[str, Order] = {}
        self._positions: dict[str, Position] = {}

    def on_event(self, event: Output, now: Now) -> None:
        if isinstance(event, Range):
            self._ranges[event.id] = event
        elif isinstance(event, Touch) and event.event == "return" and event.corrects is None:
            side = side_of_first_break(self._ranges.get(event.range))
            if side and event.symbol not in self._positions:
                now.mark()
                self._orders[event.symbol] = Order(side, event.name)

    def on_bar(self, bar: Bar, now: Now) -> None:
        position = self._positions.get(bar.symbol)
        if position is not None and bar.start_ms >= position.entry_ms + HOLD_MS:
            del self._positions[bar.symbol]
            self.trades.append(
                Trade(bar.symbol, *position[:3], bar.start_ms, bar.open, position.reason)
            )
        order = self._orders.pop(bar.symbol, None)
        if order is not None and bar.symbol not in self._positions:
            self._positions[bar.symbol] = Position(order.side, bar.start_ms, bar.open, order.reason)


def side_of_first_break(found: Range | None) -> int:
    """+1 when the level that was broken first lies above the True Open, -1 below, 0 unknown."""
    if found is None or found.true_open is None:
        return 0
    level = {"PoC": found.poc, "RPP": found.rpp}.get(found.side or "")
    if level is None or level == found.true_open:
        return 0
    return 1 if level > found.true_open else -1


def replay_of(config: Config, given: argparse.Namespace, samples: Path) -> Replay:
    keywords: Keywords = {"start": given.start, "stop": given.stop, "symbols": given.symbol}
    if given.topic:
        return Replay.topic(config, given.bootstrap, **keywords)
    if given.store:
        return Replay.store(config, given.store, **keywords)
    if given.files:
        return Replay.files(config, given.files, **keywords)
    write_samples(samples)
    books = [(symbol, samples / f"{symbol.lower()}.csv") for symbol in ("ES", "NQ")]
    return Replay.files(config, books, **keywords)


async def backtest(replay: Replay) -> list[Trade]:
    strategy = TradeReturns()
    async with replay as run:
        await run_strategy(run, strategy)
    return strategy.trades


def main() -> None:
    parser = argparse.ArgumentParser(description="Backtest a rule on touches.")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--store")
    parser.add_argument("--topic", action="store_true")
    parser.add_argument("--bootstrap")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--from", dest="start")
    parser.add_argument("--to", dest="stop")
    parser.add_argument("--symbol", action="append", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        replay = replay_of(load_config(given.config), given, Path(folder) / "sample")
        trades = asyncio.run(backtest(replay))
    for each in trades:
        side = "long " if each.side > 0 else "short"
        print(
            f"{time_text(each.entry_ms)}  {each.symbol:<5} {side} {each.entry:>10.2f} ->"
            f" {each.exit:>10.2f}  {each.points:>+8.2f}  return of {each.reason}"
        )
    won = sum(each.points > 0 for each in trades)
    total = sum(each.points for each in trades)
    print(f"{len(trades)} trades, {won} won, {total:+.2f} points")


def time_text(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1_000, UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    main()
