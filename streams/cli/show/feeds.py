"""Live feeds for people: their list, and a tape that was checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.instants import iso_time
from tapeline.streams.feeds.live.check import CheckReport
from tapeline.streams.outputs.terminal import PlainTable, text_table

SHOWN_SYMBOLS = 3


def feed_data(feed: FeedConfig, secrets: dict[str, bool]) -> dict[str, Any]:
    """A feed as plain data; of secrets whether they are set."""
    return {
        "name": feed.name,
        "kind": feed.kind,
        "url": feed.url,
        "symbols": feed.symbols,
        "history": feed.history is not None,
        "silence": feed.truth.silence,
        "backup": feed.backup or None,
        "secrets": secrets,
    }


def feeds_table(feeds: list[tuple[FeedConfig, dict[str, bool]]]) -> PlainTable:
    """One row a feed."""
    table = text_table("Feeds", "feed", "kind", "symbols", "history", "secrets", "address")
    for feed, secrets in feeds:
        names = list(feed.symbols)
        more = len(names) - SHOWN_SYMBOLS
        symbols = " ".join(names[:SHOWN_SYMBOLS]) + (f" and {more} more" if more > 0 else "")
        held = ", ".join(
            f"{name} {'set' if there else 'NOT SET'}" for name, there in secrets.items()
        )
        history = "no" if feed.history is None else "yes"
        table.add_row(feed.name, feed.kind, symbols, history, held or "none", feed.url)
    return table


def check_lines(report: CheckReport) -> Iterator[str]:
    """A line for each thing that a message became, and the verdict."""
    for message in report.messages:
        at = "" if message.recv_ms is None else f"{iso_time(message.recv_ms)} "
        for each in message.became:
            yield f"{message.line:>5} {at}{each.kind}: {each.text}"
        if not message.became:
            yield f"{message.line:>5} {at}nothing"
    counted = [_counted(count, kind) for kind, count in report.counts.items()]
    yield f"{_counted(len(report.messages), 'message')}: {', '.join(counted) or 'nothing'}"
    if report.unseen:
        yield f"no bar of: {', '.join(report.unseen)}"
    for finding in report.findings:
        yield f"wrong: {finding}"
    if not report.findings:
        yield "the mapping fits"


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind}" if count == 1 or kind == "not asked for" else f"{count} {kind}s"


def check_data(report: CheckReport) -> dict[str, Any]:
    """The same as plain data."""
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found
