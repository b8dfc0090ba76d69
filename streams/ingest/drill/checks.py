"""What must hold of the log of a feed, whatever its provider did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import orjson

from tapeline.schemas.codec import RecordDecoder
from tapeline.schemas.feed_events import Hole, Quiet
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.feeds.live.comparison import ComparedSlots, Stated
from tapeline.streams.feeds.live.engine.statements import same_content
from tapeline.streams.ingest.drill.provider import SentItem
from tapeline.streams.ingest.drill.scene import Scene
from tapeline.streams.ingest.file_view import differing_ids
from tapeline.streams.store.layout import LOG_FILE, PROVENANCE_FILE
from tapeline.streams.store.reading import StoreReader

SHOWN = 3
_AHEAD_MS = 5 * SECOND_MS
_DATE_MS = SECOND_MS
"""How well a feed knows the clock of a provider that says the time in headers alone."""
Written = tuple[LogRecord, str, int]
"""A record, how it came, and when."""


def broken_promises(scene: Scene) -> list[str]:
    """What does not hold, after the feed of a script has ended; a line each."""
    if not (scene.store / LOG_FILE).exists():
        return [] if not any(_book(scene).values()) else ["the log has no record"]
    log = list(written_records(scene))
    found: list[str] = []
    for check in (
        _view(scene),
        _minted(scene, log),
        _clocks(scene, log),
        _silences(scene, log),
        _requests(scene),
        _secrets(scene),
    ):
        faults = list(check)
        found += faults[:SHOWN]
        if len(faults) > SHOWN:
            found.append(f"and {len(faults) - SHOWN} more")
    return found


def written_records(scene: Scene) -> Iterator[Written]:
    """Records of the log, with their provenance."""
    decode = RecordDecoder().decode
    lines = (scene.store / LOG_FILE).read_bytes().splitlines()
    origins = (scene.store / PROVENANCE_FILE).read_bytes().splitlines()
    for line, origin in zip(lines, origins, strict=False):
        _, _, via, recv_ms = orjson.loads(origin)
        yield decode(line), via, recv_ms


def held_bars(scene: Scene) -> dict[tuple[str, int], Bar]:
    """By symbol and label the bar that the log holds last."""
    found: dict[tuple[str, int], Bar] = {}
    for record, _, _ in written_records(scene):
        if isinstance(record, Bar):
            found[record.symbol, record.start_ms] = record
        elif not isinstance(record, Clock):
            found.pop((record.symbol, record.start_ms), None)
    return found


def _book(scene: Scene) -> dict[str, dict[int, Bar]]:
    """Bars that the log must have: the provider's, without a history those that it handed over."""
    if scene.history is not None:
        return {symbol: scene.market.final(symbol) for symbol in scene.feed.symbols}
    book: dict[str, dict[int, Bar]] = {symbol: {} for symbol in scene.feed.symbols}
    for item in scene.provider.sent:
        if item.bar is not None and (item.final or scene.unflagged):
            book[item.bar.symbol][item.bar.start_ms] = item.bar
    return book


def _view(scene: Scene) -> Iterator[str]:
    """The view is that of a file of the provider's bars; nothing of them is missing at its end."""
    book = _book(scene)
    answers: dict[str, tuple[ComparedSlots, Stated]] = {}
    ended_ms = scene.now_ms - 2 * scene.base_ms
    if scene.history is not None:
        ended_ms -= scene.history.lag_ms
    with StoreReader(scene.store) as reader:
        for symbol, bars in book.items():
            _, watermarks = reader.progress(scene.setup.config.group_of(symbol))
            known_ms = watermarks.get(symbol)
            grid = scene.market.grids[symbol]
            due = [label for label in bars if grid.end(label) <= ended_ms]
            if scene.dialect.tables.bar.final == "successor":
                # Of a quiet symbol the next one is still to come.
                due = due[:-1]
            if due and (known_ms is None or known_ms < grid.end(max(due))):
                shown = "nothing" if known_ms is None else iso_time(known_ms)
                yield f"{symbol}: the log ends at {shown}, the provider's bars do not"
            if known_ms is not None:
                stated = Stated({label: bar for label, bar in bars.items() if label < known_ms})
                first_ms = scene.begin_ms - scene.base_ms
                stretch = ComparedSlots(symbol, first_ms, known_ms, known_ms)
                answers[symbol] = (stretch, stated)
    held = held_bars(scene)
    for symbol, (_, stated) in answers.items():
        ours = {label: bar for (name, label), bar in held.items() if name == symbol}
        for label in sorted(ours.keys() | stated.bars.keys()):
            has, wants = ours.get(label), stated.bars.get(label)
            if has is None or wants is None:
                what = "is missing" if has is None else "is not the provider's"
                yield f"{symbol} {iso_time(label)}: {what}"
            elif not same_content(has, wants):
                yield f"{symbol} {iso_time(label)}: is not the last version"
    if answers:
        for each in differing_ids(scene.setup.config, scene.store, answers):
            yield f"the view differs in {each}"


def _minted(scene: Scene, log: list[Written]) -> Iterator[str]:
    for record, _, _ in log:
        if isinstance(record, Bar):
            states = scene.market.states(record.symbol, record.start_ms)
            if not any(same_content(record, each) for each in states):
                yield f"{record.symbol} {iso_time(record.start_ms)}: the provider never stated it"


def _clocks(scene: Scene, log: list[Written]) -> Iterator[str]:
    """Every clock has its evidence, and that came first."""
    for at, (record, via, recv_ms) in enumerate(log):
        if isinstance(record, Clock) and not _is_shown(scene, log, at):
            shown = f"{record.symbol} clock {iso_time(record.time_ms)} by {via}"
            yield f"{shown} at {iso_time(recv_ms)}: has no evidence"


def _is_shown(scene: Scene, log: list[Written], at: int) -> bool:
    record, via, recv_ms = log[at]
    assert isinstance(record, Clock)
    symbol, time_ms = record.symbol, record.time_ms
    label = scene.market.grids[symbol].at(time_ms - 1)
    if via == "bar":
        return any(
            isinstance(later, Bar) and later.symbol == symbol and later.start_ms >= time_ms
            for later, _, _ in log[at + 1 :]
        )
    if time_ms > recv_ms + _AHEAD_MS:
        return False
    if via == "marker":
        return True
    if via == "patience":
        return recv_ms >= time_ms + scene.feed.truth.outage_patience_ms
    if via == "history":
        lag_ms = 0 if scene.history is None else scene.history.lag_ms
        return any(
            each.status == 200
            and symbol in each.asked.symbols
            and each.asked.from_ms <= label
            and (each.asked.to_ms is None or label <= each.asked.to_ms)
            and time_ms + lag_ms - _DATE_MS <= each.at_ms <= recv_ms
            for each in scene.provider.requests
        )
    sent = scene.provider.sent
    last = bisect_right(sent, recv_ms, key=lambda item: item.at_ms)
    return any(_is_witness(scene, item, symbol, label, time_ms) for item in sent[:last])


def _is_witness(scene: Scene, item: SentItem, symbol: str, label: int, time_ms: int) -> bool:
    """Whether what was sent shows that a slot of a symbol is over, on a connection that had it."""
    since_ms = _since(scene, item.link)
    if scene.provider.links and (since_ms is None or since_ms > label):
        return False
    if item.bar is None:
        return item.at_ms >= time_ms
    return item.bar.start_ms >= (label if item.final else time_ms)


def _since(scene: Scene, number: int) -> int | None:
    """Since when a connection, and those that it took over from, had its symbols."""
    since_ms: int | None = None
    ended_ms: int | None = 0
    for link in scene.provider.links[:number]:
        taken_over = ended_ms is None or (link.live_ms is not None and link.live_ms < ended_ms)
        if since_ms is None or not taken_over:
            since_ms = link.live_ms
        ended_ms = link.ended_ms
    return since_ms


def _silences(scene: Scene, log: list[Written]) -> Iterator[str]:
    """Every slot below the watermark without a bar has evidence, or lies in a hole."""
    for symbol in scene.feed.symbols:
        grid = scene.market.grids[symbol]
        held: set[int] = set()
        known = [(each.from_ms, each.to_ms) for each in scene.of(Quiet) if each.symbol == symbol]
        reached: int | None = None
        for record, via, _ in log:
            if record.symbol != symbol:
                continue
            if isinstance(record, Clock):
                if reached is not None and via not in ("patience", "bar"):
                    known.append((reached, record.time_ms))
                end_ms = record.time_ms
            else:
                held.add(record.start_ms)
                end_ms = grid.end(record.start_ms)
            reached = end_ms if reached is None else max(reached, end_ms)
        if reached is None or not held:
            continue
        for label in grid.labels(min(held), reached):
            shown = label in held or any(begin <= label < end for begin, end in known)
            if not shown and not _is_in_hole(scene, symbol, label):
                yield f"{symbol} {iso_time(label)}: has no bar, no evidence, and no hole"


def _is_in_hole(scene: Scene, symbol: str, label: int) -> bool:
    base_ms = scene.market.grids[symbol].base_ms
    return any(
        hole.symbol in (None, symbol)
        and hole.from_ms - base_ms < label
        and (hole.to_ms is None or label < hole.to_ms)
        for hole in scene.of(Hole)
    )


def _requests(scene: Scene) -> Iterator[str]:
    if scene.history is None:
        return
    most, per_ms = scene.history.requests, scene.history.per_ms
    times = [each.at_ms for each in scene.provider.requests]
    for first in range(len(times) - most):
        if times[first + most] - times[first] < per_ms:
            yield f"more than {most} requests within {per_ms // SECOND_MS} s"
            return


def _secrets(scene: Scene) -> Iterator[str]:
    values = [value.encode() for value in scene.setup.environment.values()]
    for path in sorted(scene.store.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if any(value in data for value in values):
                yield f"{path.relative_to(scene.store)}: holds a secret"


def counted(scene: Scene) -> dict[str, int]:
    """What a script led to, in numbers."""
    log = list(written_records(scene)) if (scene.store / LOG_FILE).exists() else []
    return {
        "attempts": len(scene.provider.attempts),
        "requests": len(scene.provider.requests),
        "bars": sum(isinstance(record, Bar) for record, _, _ in log),
        "clocks": sum(isinstance(record, Clock) for record, _, _ in log),
        "letters": len(scene.letters),
    }
