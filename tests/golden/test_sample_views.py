"""Our own sample books give the views that are committed beside this file.

`python -m tests.golden.test_sample_views` writes them again; look at the difference before it is
committed: each changed line is a changed result.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Output
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import CONFIGURATION, sample_book, with_holes
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router

GOLDEN = Path(__file__).parent / "sample-views.jsonl"
FUTURES_BARS = 420
WINDOWS = """
[windows.volume_by_minute]
kind = "sum"
field = "volume"
granularity = "minute"
period = "1d"
symbols = ["ACME"]

[windows.average_range]
kind = "trailing_average"
field = "range"
period = "1m"
"""
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")
OF_INDICATORS = """\
indicators = ["own"]
[indicators.own]
list = ["sma(3)", "ema(2)"]
intervals = ["30m", "1d"]
"""
"""More keys of the instrument that the configuration of the samples ends with."""


def sample_log() -> list[LogRecord]:
    """Some hours of ES with holes and of NQ, then a session of ACME with holes, to its close."""
    futures, equities = load_calendar("CME_EQUITY"), load_calendar("XNYS")
    es = list(islice(sample_book("ES", futures, "2025-11-24", 1, 7), FUTURES_BARS))
    nq = list(islice(sample_book("NQ", futures, "2025-11-24", 1, 8, 96_000), FUTURES_BARS))
    acme = list(sample_book("ACME", equities, "2025-11-28", 1, 9, 12_500, 0.01))
    bars: list[Bar] = [*with_holes(es, 3), *nq, *with_holes(acme, 5)]
    bars.sort(key=lambda bar: (bar.start_ms, bar.symbol))
    close = equities.close_ms(equities.session_of(acme[0].start_ms))
    return [*bars, Clock("ACME", close)]


def view_lines() -> list[str]:
    """The folded view, a line a fact, sorted by id."""
    drive = Drive(Router(read_config(CONFIGURATION + OF_INDICATORS + WINDOWS, "samples")))
    view: dict[str, Output] = {}
    for offset, record in enumerate(sample_log()):
        for event in drive.apply(record, offset).events:
            view[event.id] = event
    return [_line(view[identity]) for identity in sorted(view)]


def _line(event: Output) -> str:
    fact: dict[str, Any] = json.loads(msgspec.json.encode(event))
    return json.dumps({name: fact[name] for name in fact if name not in DELIVERY})


def test_the_sample_books_give_the_committed_views() -> None:
    assert view_lines() == GOLDEN.read_text().splitlines()


def test_the_committed_views_hold_every_type_of_fact() -> None:
    types = {json.loads(line)["type"] for line in GOLDEN.read_text().splitlines()}
    assert types == set(EVENTS.facts)


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(view_lines()) + "\n")
