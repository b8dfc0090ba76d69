"""Backtest the strategy of touch_returns.py over a log, and print its trades.

    python examples/backtest_touches.py                                  # sample books
    python examples/backtest_touches.py log.jsonl
    python examples/backtest_touches.py --store DIR
    python examples/backtest_touches.py --topic --bootstrap localhost:9092 --from 2025-12-09

The same without a program: tapeline replay ... --strategy examples/touch_returns.py:TouchReturns.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tapeline import (
    Config,
    Fill,
    IssuedSignal,
    Keywords,
    Replay,
    load_config,
    write_samples,
)

STRATEGY = f"{Path(__file__).with_name('touch_returns.py')}:TouchReturns"


class Trade(NamedTuple):
    """One trade: `side` +1 bought, -1 sold; prices in quote currency, with slippage."""

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


def replay_of(config: Config, given: argparse.Namespace, samples: Path) -> Replay:
    keywords: Keywords = {
        "start": given.start,
        "stop": given.stop,
        "symbols": given.symbol,
        "strategies": STRATEGY,
    }
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
    reasons: dict[str | None, str] = {}
    entries: dict[str | None, Fill] = {}
    trades: list[Trade] = []
    async with replay as run:
        async for event in run:
            if isinstance(event, IssuedSignal):
                reasons[event.id] = event.reason
            if not isinstance(event, Fill):
                continue
            entry = entries.pop(event.symbol, None)
            if entry is None:
                entries[event.symbol] = event
                continue
            trades.append(
                Trade(
                    event.symbol or "",
                    1 if entry.side == "buy" else -1,
                    entry.fill_ms,
                    entry.price,
                    event.fill_ms,
                    event.price,
                    reasons[entry.signal],
                )
            )
    return trades


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
