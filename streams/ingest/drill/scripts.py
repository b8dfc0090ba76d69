"""The scripts of a drill: what a provider does, and what must come of it besides an equal log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NamedTuple

from tapeline.schemas.feed_events import Halt, Hole, Skew
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS, iso_time
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.ingest.drill import needs
from tapeline.streams.ingest.drill.checks import held_bars, written_records
from tapeline.streams.ingest.drill.dialect import StatedBar
from tapeline.streams.ingest.drill.market import DrillVersion
from tapeline.streams.ingest.drill.scene import Scene

Play = Callable[[Scene], Awaitable[None]]
Verdict = Callable[[Scene], Iterator[str]]
Need = Callable[[Scene], str]
"""Why a feed cannot play a script; "": it can."""
POLICY: Final = 1008
RETRY_S: Final = 17
FAR_AHEAD: Final = 60
"""Slots: no script lasts as long."""
MOST_ATTEMPTS: Final = 40
"""Attempts in ten minutes: ten until the breaker opens, then as many again."""
HIDDEN_MS: Final = 20 * SECOND_MS
"""A history that lacks a bar for longer says that there is none."""
LATE_MS: Final = 100 * SECOND_MS
_SLACK_MS: Final = 3 * SECOND_MS


class Script(NamedTuple):
    """One script.

    Attributes
    ----------
    does
        What the provider does.
    play
        Begins with `Scene.open`.
    verdict
        What does not hold, besides the checks of every log.
    ends
        Whether the feed is to be out.
    """

    name: str
    does: str
    play: Play
    verdict: Verdict
    need: Need
    ends: bool = False


def _nothing(scene: Scene) -> Iterator[str]:
    yield from ()


# A connection.


async def _cut(scene: Scene) -> None:
    await scene.open()
    scene.provider.cut(inside=b'{"part')
    await scene.to(6)


async def _freeze(scene: Scene) -> None:
    await scene.open()
    scene.provider.freeze()
    await scene.pass_time(_stale_ms(scene) + 60 * SECOND_MS)


async def _mute(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.mute = True
    await scene.pass_time(_stale_ms(scene) + 30 * SECOND_MS)
    scene.provider.faults.mute = False


def _stale_ms(scene: Scene) -> int:
    """After how long of silence a connection must be given up."""
    stale_ms = scene.feed.session.stale_after_ms
    alive = scene.dialect.tables.alive
    cadence_ms = scene.base_ms if alive is None or alive.every_ms is None else alive.every_ms
    return 3 * cadence_ms if stale_ms is None else stale_ms


def _found_dead(scene: Scene) -> Iterator[str]:
    second = scene.attempts_after(scene.end(3))
    last_ms = scene.end(3) + 2 * SECOND_MS + _stale_ms(scene) + _SLACK_MS
    if not second:
        yield "the dead connection was kept"
    elif second[0] > last_ms:
        yield f"the next attempt came at {iso_time(second[0])}, not by {iso_time(last_ms)}"


async def _policy(scene: Scene) -> None:
    await scene.open()
    await scene.provider.close(POLICY)
    await scene.pass_time(2 * MINUTE_MS)


def _policy_pause(scene: Scene) -> Iterator[str]:
    yield from _not_before(scene, scene.end(3) + 2 * SECOND_MS, 60 * SECOND_MS)


def _not_before(scene: Scene, from_ms: int, pause_ms: int) -> Iterator[str]:
    attempts = scene.attempts_after(from_ms)
    if not attempts:
        yield "no further attempt was made"
    elif attempts[0] < from_ms + pause_ms:
        waited_s = (attempts[0] - from_ms) // SECOND_MS
        yield f"the next attempt came after {waited_s} s, not {pause_ms // SECOND_MS} s"


async def _limit(scene: Scene) -> None:
    await scene.open()
    faults = scene.provider.faults
    faults.refuse, faults.retry_after_s = 429, RETRY_S
    scene.provider.cut()
    # Long enough for one refusal, not for the attempt that it asks to wait for.
    while not any(each.status == 429 for each in scene.provider.attempts):
        await scene.pass_time(SECOND_MS)
    faults.refuse, faults.retry_after_s = 0, None
    await scene.pass_time(3 * RETRY_S * SECOND_MS)


def _limit_pause(scene: Scene) -> Iterator[str]:
    refused = next(each.at_ms for each in scene.provider.attempts if each.status == 429)
    yield from _not_before(scene, refused + 1, RETRY_S * SECOND_MS - 1)


async def _away(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.refuse = 503
    scene.provider.cut()
    await _ten_minutes(scene)


async def _storm(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.cut_at_once = True
    scene.provider.cut()
    await _ten_minutes(scene)


async def _ten_minutes(scene: Scene) -> None:
    before = len(scene.provider.attempts)
    await scene.pass_time(10 * MINUTE_MS)
    scene.notes["attempts"] = len(scene.provider.attempts) - before


def _no_storm(scene: Scene) -> Iterator[str]:
    if scene.notes["attempts"] > MOST_ATTEMPTS:
        yield f"{scene.notes['attempts']} attempts in ten minutes"


async def _shutdown(scene: Scene) -> None:
    await scene.open()
    await scene.provider.send_raw(scene.dialect.notice("shutdown", None, scene.now_ms))
    first = scene.provider.links[-1]
    await scene.to(6)
    if first.ended_ms is None:
        scene.provider.cut()


def _no_gap(scene: Scene) -> Iterator[str]:
    first, second = scene.provider.links[0], scene.provider.links[1:]
    if not second or second[0].live_ms is None:
        yield "no second connection was opened"
    elif first.ended_ms is not None and first.ended_ms < second[0].live_ms:
        yield "the first connection ended before the second one was live"
    if any(hole.cause == "disconnect" for hole in scene.of(Hole)):
        yield "an announced cut left a hole"


async def _deny(scene: Scene) -> None:
    scene.provider.faults.deny = True
    await scene.open()


def _left(scene: Scene) -> Iterator[str]:
    if scene.left is None or scene.left.exit_code != 2:
        yield "the feed did not end with exit code 2"
    if len(scene.provider.attempts) != 1:
        yield f"{len(scene.provider.attempts)} attempts"


async def _restart(scene: Scene) -> None:
    await scene.open()
    await scene.pass_time(scene.base_ms // 2)
    await scene.kill()
    await scene.pass_time(3 * scene.base_ms)
    await scene.start()
    await scene.pass_time(3 * scene.base_ms)
    scene.provider.cut()
    await scene.kill()
    await scene.start()
    await scene.pass_time(scene.base_ms)


# A history.


async def _history_limit(scene: Scene) -> None:
    await scene.open()
    faults = scene.provider.faults
    faults.history, faults.retry_after_s = 429, RETRY_S
    scene.provider.cut()
    while not any(each.status == 429 for each in scene.provider.requests):
        await scene.pass_time(SECOND_MS)
    await scene.pass_time(RETRY_S * SECOND_MS // 2)
    faults.history, faults.retry_after_s = 0, None
    await scene.pass_time(3 * scene.base_ms)


def _history_pause(scene: Scene) -> Iterator[str]:
    refused = [each.at_ms for each in scene.provider.requests if each.status == 429]
    # Requests that were on their way already are no fault.
    early = [
        each.at_ms
        for each in scene.provider.requests
        if refused[0] + SECOND_MS < each.at_ms < refused[0] + RETRY_S * SECOND_MS
    ]
    if early:
        yield f"a request came {(early[0] - refused[0]) // SECOND_MS} s after 429, not {RETRY_S} s"


async def _no_history(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.history = 503
    scene.provider.cut()
    await scene.pass_time(4 * MINUTE_MS)
    before = len(held_bars(scene))
    await scene.pass_time(2 * scene.base_ms + 3 * SECOND_MS)
    scene.notes["live without history"] = len(held_bars(scene)) - before


def _went_on(scene: Scene) -> Iterator[str]:
    if not scene.notes["live without history"]:
        yield "live waited for the history"


async def _lacking(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.refuse = 503
    scene.provider.cut()
    await scene.to(4)
    for symbol, grid in scene.market.grids.items():
        for label in grid.labels(scene.labels[4], scene.end(4)):
            scene.market.hide(symbol, label, scene.now_ms + HIDDEN_MS)
    scene.provider.faults.refuse = 0
    await scene.pass_time(MINUTE_MS + 2 * scene.base_ms)


async def _open_row(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.open_row = True
    scene.provider.cut()
    await scene.to(6)
    scene.provider.faults.open_row = False


# What is stated.


async def _copies(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.copies = 3
    await scene.to(6)
    scene.provider.faults.copies = 1


def _once(scene: Scene) -> Iterator[str]:
    seen: set[tuple[str, int, float, float | None]] = set()
    for entry in scene.appended:
        record = entry.record
        if isinstance(record, Bar):
            key = (record.symbol, record.start_ms, record.close, record.volume)
            if key in seen:
                yield f"{record.symbol} {iso_time(record.start_ms)}: was written twice"
            seen.add(key)


async def _reordered(scene: Scene) -> None:
    await scene.open()
    first, last = 5, 9
    for number in range(first, last + 1):
        by_ms = scene.end(last) - scene.end(number) + (last - number) * SECOND_MS
        for symbol, grid in scene.market.grids.items():
            for label in grid.labels(scene.labels[number], scene.end(number)):
                scene.market.delay(symbol, label, by_ms)
    await scene.to(last + 2)


async def _late(scene: Scene) -> None:
    await scene.open()
    for number in (5, 6):
        for symbol, grid in scene.market.grids.items():
            for label in grid.labels(scene.labels[number], scene.end(number)):
                scene.market.delay(symbol, label, LATE_MS)
    await scene.to(9, LATE_MS)


async def _revised(scene: Scene) -> None:
    await scene.open()
    for number, after_ms in ((2, 20 * SECOND_MS), (3, 90 * SECOND_MS)):
        for symbol in scene.feed.symbols:
            label = scene.labels[number]
            if label in scene.market.versions[symbol]:
                scene.market.revise(symbol, label, scene.now_ms + after_ms)
    await scene.pass_time(2 * MINUTE_MS + scene.base_ms)


async def _revised_unheard(scene: Scene) -> None:
    await scene.open()
    for symbol in scene.feed.symbols:
        label = scene.labels[2]
        if label in scene.market.versions[symbol]:
            scene.market.revise(symbol, label, scene.now_ms + SECOND_MS, stream=False)
    scene.provider.faults.refuse = 503
    scene.provider.cut()
    await scene.pass_time(30 * SECOND_MS)
    scene.provider.faults.refuse = 0
    await scene.pass_time(MINUTE_MS)


async def _removed(scene: Scene) -> None:
    await scene.open()
    symbol, label = next(iter(scene.feed.symbols)), scene.labels[2]
    scene.market.remove(symbol, label, scene.now_ms)
    await scene.provider.send_raw(scene.dialect.notice("removed", symbol, label))
    await scene.to(6)


async def _silent(scene: Scene) -> None:
    name = list(scene.feed.symbols)[-1]
    await scene.open(silent={number: frozenset({name}) for number in range(5, 10)})
    await scene.to(12)


async def _halt(scene: Scene) -> None:
    name = next(iter(scene.feed.symbols))
    await scene.open(silent={number: frozenset({name}) for number in range(5, 9)})
    await scene.to(4)
    await scene.provider.send_raw(scene.dialect.notice("halt", name, scene.labels[5]))
    await scene.to(8)
    await scene.provider.send_raw(scene.dialect.notice("resume", name, scene.labels[9]))
    await scene.to(10)


def _halted(scene: Scene) -> Iterator[str]:
    if not any(halt.to_ms is not None for halt in scene.of(Halt)):
        yield "the halt and its end were not reported"


async def _future(scene: Scene) -> None:
    await scene.open()
    symbol = next(iter(scene.feed.symbols))
    bar = scene.market.bar(symbol, scene.labels[FAR_AHEAD])
    await scene.provider.state(DrillVersion(bar, scene.now_ms))
    await scene.to(7)


def _no_future(scene: Scene) -> Iterator[str]:
    if not any(letter.code == "ahead_of_clock" for letter in scene.letters):
        yield "a bar of the future became no dead letter ahead_of_clock"


async def _damaged(scene: Scene) -> None:
    await scene.open()
    symbol = next(iter(scene.feed.symbols))
    bar = scene.market.bar(symbol, scene.labels[3])
    await scene.provider.send_raw(scene.dialect.damaged(StatedBar(bar, True, scene.now_ms)))
    for message in (b"{", b"", b'{"kind":"unknown"}'):
        await scene.provider.send_raw(message)
    await scene.to(6)


def _lettered(scene: Scene) -> Iterator[str]:
    if not scene.letters:
        yield "messages that cannot be read became no dead letters"


async def _foreign(scene: Scene) -> None:
    await scene.open()
    bar = scene.market.bar(next(iter(scene.feed.symbols)), scene.labels[3])
    message = scene.dialect.foreign(StatedBar(bar, True, scene.now_ms))
    assert message is not None, "it was asked whether there is one"
    await scene.provider.send_raw(message)
    await scene.to(6)


async def _skew(scene: Scene) -> None:
    await scene.open()
    scene.provider.faults.ahead_ms = 3 * MINUTE_MS
    scene.notes["from"] = scene.now_ms + 30 * SECOND_MS
    symbol = next(iter(scene.feed.symbols))
    bar = scene.market.final(symbol)[scene.labels[3]]
    for _ in range(60):
        # Of a clock one message says little.
        await scene.pass_time(3 * SECOND_MS)
        await scene.provider.state(DrillVersion(bar, scene.now_ms))
    scene.notes["to"] = scene.now_ms
    scene.provider.faults.ahead_ms = 0


def _no_clocks(scene: Scene) -> Iterator[str]:
    if not any(not skew.healthy for skew in scene.of(Skew)):
        yield "the wrong clock was not noticed"
    for record, via, recv_ms in written_records(scene):
        wrong = scene.notes["from"] <= recv_ms <= scene.notes["to"]
        if isinstance(record, Clock) and wrong and via in ("canary", "heartbeat"):
            yield f"a clock of {record.symbol} was written by a wrong clock"


async def _stranger(scene: Scene) -> None:
    await scene.open()
    bar = scene.market.bar(next(iter(scene.feed.symbols)), scene.labels[3])
    (message,) = scene.dialect.bars([StatedBar(bar, True, scene.now_ms)])
    address = scene.provider.hook_url.rpartition("/")[0] + "/wrong"
    await scene.provider.post(message.replace(b"placeholder", b"wrong"), address)
    await scene.to(6)


def _turned_away(scene: Scene) -> Iterator[str]:
    if 403 not in scene.provider.posted:
        yield "a post with a wrong secret was taken"


SCRIPTS: Final = (
    Script("cut", "resets the connection inside of a message", _cut, _nothing, needs.connected),
    Script(
        "freeze", "stops, without an end of the connection",
        _freeze, _found_dead, needs.connected,
    ),
    Script("mute", "answers pings, and sends nothing", _mute, _found_dead, needs.connected),
    Script("policy", "closes with 1008", _policy, _policy_pause, needs.connected),
    Script(
        "limit", "answers 429 with Retry-After to connections",
        _limit, _limit_pause, needs.asked,
    ),
    Script("away", "answers 503 for ten minutes", _away, _no_storm, needs.asked),
    Script(
        "storm", "cuts every connection at once, for ten minutes",
        _storm, _no_storm, needs.connected,
    ),
    Script("shutdown", "announces a cut", _shutdown, _no_gap, needs.cuts),
    Script("deny", "refuses the session for good", _deny, _left, needs.refusals, ends=True),
    Script("restart", "goes on while the feed is killed twice", _restart, _nothing, needs.anything),
    Script(
        "history_limit", "answers 429 to requests of the history", _history_limit,
        _history_pause, needs.history,
    ),
    Script("no_history", "has no history for minutes", _no_history, _went_on, needs.history),
    Script("lacking", "has no bar of an outage for 20 s", _lacking, _nothing, needs.history),
    Script("open_row", "has bars in progress in its history", _open_row, _nothing, needs.history),
    Script("copies", "sends everything three times", _copies, _once, needs.pushes),
    Script(
        "reordered", "sends the bars of five slots backwards",
        _reordered, _nothing, needs.anything,
    ),
    Script("late", "sends bars minutes late", _late, _nothing, needs.anything),
    Script("revised", "sends bars again with other contents", _revised, _nothing, needs.anything),
    Script(
        "unheard", "revises a bar while the feed is not connected", _revised_unheard, _nothing,
        needs.revisions,
    ),
    Script("removed", "takes a bar back", _removed, _nothing, needs.removals),
    Script("silent", "has no trade of one symbol for five slots", _silent, _nothing, needs.several),
    Script("halt", "halts a symbol", _halt, _halted, needs.halts),
    Script("future", "sends a bar that is far ahead of time", _future, _no_future, needs.pushes),
    Script("damaged", "sends what cannot be read", _damaged, _lettered, needs.pushes),
    Script("foreign", "sends a bar that was not asked for", _foreign, _nothing, needs.named),
    Script("skew", "has a clock three minutes ahead", _skew, _no_clocks, needs.sent_times),
    Script("stranger", "is posted to with a wrong secret", _stranger, _turned_away, needs.webhook),
)  # fmt: skip
