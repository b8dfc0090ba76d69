"""The view of a store against that of a file of the provider's bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.feeds.live.comparison import ComparedSlots, Stated, clocks_before
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.view import fold
from tapeline.streams.store.reading import StoreReader

DELIVERY = ("seq", "rev", "corrects", "watermark_ms")
"""Fields that depend on how the log brought the bars, and are not part of the view."""
View = dict[str, dict[str, Any]]


def differing_ids(
    config: Config, folder: Path, answers: Mapping[str, tuple[ComparedSlots, Stated]]
) -> list[str]:
    """Ids of the facts in which a store differs from a run over files, sorted.

    The files hold the bars of the groups as the store has them, in the stretches those of the
    provider instead, and end at the watermarks of the store.

    Parameters
    ----------
    answers
        By symbol what the history answered, and for which stretch.

    Raises
    ------
    StoreError, StoreDamagedError
        When the store cannot be read, or is of another configuration.
    """
    found: list[str] = []
    with StoreReader(folder) as reader:
        reader.check_settings(config)
        for group in sorted({config.group_of(symbol) for symbol in answers}):
            _, watermarks = reader.progress(group)
            names = {group, *watermarks}
            facts = (_content(line) for line in reader.view())
            held = {fact["id"]: fact for fact in facts if fact["symbol"] in names}
            expected = _run(config, reader, watermarks, answers)
            ids = held.keys() | expected.keys()
            found += [each for each in ids if held.get(each) != expected.get(each)]
    return sorted(found)


def _run(
    config: Config,
    reader: StoreReader,
    watermarks: Mapping[str, int | None],
    answers: Mapping[str, tuple[ComparedSlots, Stated]],
) -> View:
    router = Router(config)
    drive = Drive(router)
    plans = {symbol: router.plan(symbol) for symbol in watermarks}
    bars: list[tuple[int, Bar]] = []
    for symbol in watermarks:
        plan = plans[symbol]
        for bar in _bars(reader, symbol, plan.calendar.first_ms, answers.get(symbol)):
            bars.append((plan.calendar.slot_end(bar.start_ms, plan.base_ms), bar))
    bars.sort(key=lambda each: (each[0], each[1].symbol))
    records: list[LogRecord] = []
    known: dict[str, int] = {}
    for end_ms, bar in bars:
        plan = plans[bar.symbol]
        times = clocks_before(plan, known.get(bar.symbol), bar.start_ms)
        records += [Clock(bar.symbol, time_ms) for time_ms in times]
        records.append(bar)
        known[bar.symbol] = end_ms
    ends = [(time_ms, symbol) for symbol, time_ms in watermarks.items() if time_ms is not None]
    records += [Clock(symbol, time_ms) for time_ms, symbol in sorted(ends)]
    facts: dict[str, Any] = {}
    for offset, record in enumerate(records):
        fold(facts, drive.apply(record, offset).events)
    return {fact_id: _content(encode(fact)) for fact_id, fact in facts.items()}


def _bars(
    reader: StoreReader, symbol: str, first_ms: int, answer: tuple[ComparedSlots, Stated] | None
) -> Iterator[Bar]:
    if answer is None:
        yield from reader.bars(symbol, first_ms)
        return
    stretch, stated = answer
    # What is not clear, or left out, the file would have as the log has it.
    kept = {*stated.empty, *stated.unclear}
    yield from stated.bars.values()
    for bar in reader.bars(symbol, first_ms):
        inside = stretch.open_ms <= bar.start_ms < stretch.until_ms
        if not inside or bar.start_ms in kept:
            yield bar


def _content(fact: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(fact)
    return {name: value for name, value in fields.items() if name not in DELIVERY}
