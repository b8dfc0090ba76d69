"""A table of touches that lives: the newest ones, as they come.

    python examples/live_touches.py --bootstrap 127.0.0.1:9092 --symbol ES --token touches.jsonl

With `--token` it goes on where it was: the file holds how far it read and, beside it, what it made
of that, so the two never disagree. A crash between two writes shows a few touches again; they have
the same ids and replace themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.live import Live
from rich.table import Table

from tapeline import ResumeToken, Subscription, Touch, decode_event, encode

SAVE_SECONDS = 1.0


class Touches:
    """The newest touches by id, and the file that keeps them."""

    def __init__(self, file: Path | None, limit: int) -> None:
        self.rows: dict[str, Touch] = {}
        self.token: ResumeToken | None = None
        self._file = file
        self._limit = limit
        self._saved_at = 0.0
        if file is not None and file.exists():
            token, *rows = file.read_bytes().splitlines()
            self.token = ResumeToken.parse(token.decode())
            for row in rows:
                self.take(decode_event(row))

    def take(self, event: object) -> None:
        """Keep a touch; whatever else has an id takes the fact of that id away."""
        fact_id = getattr(event, "id", "")
        self.rows.pop(fact_id, None)
        if isinstance(event, Touch):
            self.rows[fact_id] = event
            while len(self.rows) > self._limit:
                del self.rows[next(iter(self.rows))]

    def save(self, token: ResumeToken, *, now: bool = False) -> None:
        """Write both in one step: a kill leaves the old file or the new one."""
        if self._file is None or (not now and time.monotonic() - self._saved_at < SAVE_SECONDS):
            return
        lines = [token.text().encode(), *(encode(row) for row in self.rows.values())]
        fresh = self._file.with_name(self._file.name + ".new")
        fresh.write_bytes(b"\n".join(lines) + b"\n")
        os.replace(fresh, self._file)
        self._saved_at = time.monotonic()

    def table(self) -> Table:
        """The newest at the top."""
        # A copy: the screen is drawn by a thread of its own.
        rows = list(self.rows.values())
        table = Table(title=f"{len(rows)} newest touches", title_justify="left", box=SIMPLE_HEAD)
        for name in ("UTC", "symbol", "range", "event", "level"):
            table.add_column(name)
        table.add_column("price", justify="right", no_wrap=True)
        for row in reversed(rows):
            at = datetime.fromtimestamp(row.event_ms / 1000, UTC).strftime("%d %H:%M")
            price = "" if row.price is None else f"{row.price:.2f}"
            name = f"{row.kind} {row.name}"
            table.add_row(at, row.symbol, name, row.event, row.level or "", price)
        return table


async def show(arguments: argparse.Namespace) -> None:
    """Read, keep and show until interrupted, or to the end of what is there."""
    touches = Touches(arguments.token, arguments.rows)
    subscription = Subscription(
        [arguments.topic],
        bootstrap=arguments.bootstrap,
        symbols=arguments.symbol,
        since=touches.token or "beginning",
        follow=not arguments.once,
    )
    with Live(get_renderable=touches.table, refresh_per_second=4):
        async with subscription as events:
            try:
                async for event in events:
                    touches.take(event)
                    touches.save(events.token)
            finally:
                touches.save(events.token, now=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="A table of touches that lives.")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", help="addresses of the brokers")
    parser.add_argument("--topic", default="tape.touches.v1")
    parser.add_argument("--symbol", action="append", help="only this one; may be repeated")
    parser.add_argument("--token", type=Path, help="file to go on from, written as it goes")
    parser.add_argument("--rows", type=int, default=20, help="how many touches to keep")
    parser.add_argument("--once", action="store_true", help="end where the topic ends now")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(show(parser.parse_args()))


if __name__ == "__main__":
    main()
