"""What must hold of every log that a live feed made, whatever failed."""

from __future__ import annotations

from tapeline.schemas.events import Output
from tapeline.schemas.feed_events import Hole
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.feeds.live.model import Alive, Meaning, Statement
from tapeline.streams.pipeline.planning import plan_group
from tests.feeds_live import World
from tests.feeds_live_provider import MINUTE, content
from tests.properties.folding import fold


def assert_folds_like_final_bars(world: World, symbol: str) -> None:
    """The view of the log is that of a file of the provider's final bars up to its watermark."""
    engine = world.engine(symbol)
    found = fold(world.events)
    watermark = engine.watermark_ms(symbol)
    bars = list(world.provider.final().get(symbol, {}).values())
    if watermark is None:
        assert not bars
        return
    first = min((bar.start_ms for bar in world.bars(symbol)), default=None)
    expected_bars = [bar for bar in bars if bar.start_ms < watermark and first is not None]
    fresh = GroupEngine(plan_group(world.config, symbol))
    events: list[Output] = []
    records: list[Bar | Clock] = [*expected_bars, Clock(symbol, watermark)]
    for offset, record in enumerate(records):
        events += fresh.apply(record, offset).events
    assert found == fold(events)


def assert_nothing_is_minted(world: World) -> None:
    """Every bar of the log is one that the provider stated."""
    for entry in world.log:
        if isinstance(entry.record, Bar):
            bar = entry.record
            versions = world.provider.versions[bar.symbol][bar.start_ms]
            assert content(bar) in [content(version.bar) for version in versions]


def assert_requests_within(world: World, requests: int, per_ms: int) -> None:
    """No window of the limit's length holds more requests than the limit."""
    times = [mono_ms for mono_ms, _ in world.requests]
    for at, mono_ms in enumerate(times):
        window = [each for each in times[at:] if each < mono_ms + per_ms]
        assert len(window) <= requests


def assert_silence_is_accounted_for(world: World, symbol: str) -> None:
    """Every slot below the watermark without a bar has evidence or lies in a hole."""
    engine = world.engine(symbol)
    watermark = engine.watermark_ms(symbol)
    held: dict[int, bool] = {}
    proven: list[tuple[int, int]] = [(each.from_ms, each.to_ms) for each in world.quiet(symbol)]
    reached = None
    for entry in world.log:
        record = entry.record
        if record.symbol != symbol:
            continue
        if isinstance(record, Clock):
            if reached is not None and entry.via not in ("patience", "bar"):
                proven.append((reached, record.time_ms))
            end = record.time_ms
        else:
            held[record.start_ms] = isinstance(record, Bar)
            end = record.start_ms + MINUTE
        reached = end if reached is None else max(reached, end)
    if watermark is None or not held:
        return
    for label in range(min(held), watermark, MINUTE):
        if held.get(label):
            continue
        if label in held:
            continue
        known = any(a <= label < b for a, b in proven)
        assert known or _in_a_hole(world, symbol, label), (
            f"{symbol} {label} has neither evidence nor a hole"
        )


def assert_clocks_have_evidence(world: World, symbol: str) -> None:
    """No clock is ahead of what its feed could know: its evidence came before it was written."""
    patience_ms = world.settings.truth.outage_patience_ms
    for at, (entry, written_ms) in enumerate(zip(world.log, world.written_ms, strict=True)):
        clock = entry.record
        if not isinstance(clock, Clock) or clock.symbol != symbol:
            continue
        shown = f"{symbol} {clock.time_ms} via {entry.via} at {written_ms}"
        label = clock.time_ms - MINUTE
        if entry.via == "bar":
            later = [each.record for each in world.log[at + 1 :]]
            assert any(
                isinstance(each, Bar) and each.symbol == symbol and each.start_ms >= clock.time_ms
                for each in later
            ), shown
        elif entry.via == "patience":
            assert written_ms >= clock.time_ms + patience_ms, shown
            assert _in_a_hole(world, symbol, label), shown
        elif entry.via == "history":
            lag_ms = world.settings.history.lag_ms if world.settings.history else 0
            assert any(
                clock.time_ms + lag_ms <= sent_ms < written_ms
                and symbol in request.symbols
                and request.from_ms <= label <= request.to_ms
                for sent_ms, request in world.answers
            ), shown
        else:
            assert written_ms >= clock.time_ms + 2_000, shown
            assert any(
                time_ms < written_ms
                and world.connected[connection][0] <= label
                and _shows(meaning, symbol, label, time_ms, entry.via)
                for time_ms, connection, meaning in world.heard
            ), shown


def _shows(meaning: Meaning, symbol: str, label: int, time_ms: int, via: str) -> bool:
    if isinstance(meaning, Statement):
        other = meaning.bar.symbol != symbol
        reached = meaning.bar.start_ms + (MINUTE if meaning.final else 0)
        return via == "canary" and other and reached >= label + MINUTE
    return via == "heartbeat" and isinstance(meaning, Alive) and time_ms >= label + MINUTE + 2_000


def _in_a_hole(world: World, symbol: str, label: int) -> bool:
    return any(
        isinstance(hole, Hole)
        and hole.symbol in (None, symbol)
        and hole.from_ms - MINUTE < label
        and (hole.to_ms is None or label < hole.to_ms)
        for hole in world.reports
    )
