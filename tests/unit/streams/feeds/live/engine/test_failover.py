"""Two providers as one feed: who writes which slot, and that no other provider revises it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.feeds import FeedConfig, TruthConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Failover, Limit, Quiet
from tapeline.schemas.ids import limit_id
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.live.engine.failover import FailoverEngine
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Append,
    Connect,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Instant,
    Leave,
    Meaning,
    Received,
    Report,
    Statement,
    StopAsked,
    Timer,
)
from tapeline.streams.pipeline.log_writer import KnownLog, LogEntry
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.feeds.live.engine.dialect import Dialect, bar_text, text

START = 1_764_583_200_000
MINUTE = 60_000
PRIMARY, BACKUP = 100, 200
"""Volumes by which their bars are known."""


class _Volumes(Dialect):
    def __init__(self, symbols: Sequence[str], volume: int) -> None:
        super().__init__(symbols)
        self.volume = volume

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        found = super().meanings(parsed, data)
        return [
            replace(each, bar=replace(each.bar, volume=self.volume))
            if isinstance(each, Statement)
            else each
            for each in found
        ]


class _Pair:
    """Both providers have a bar a minute; each can be cut and comes back after a while."""

    def __init__(
        self, reclaim: bool = False, silence: bool = False, known: KnownLog | None = None
    ) -> None:
        config = read_config('[instruments.COIN]\ntick = 0.01\ncalendar = "24/7"\n', "feed.toml")
        mine, theirs = (
            FeedConfig(
                name=name,
                kind="websocket",
                url="",
                symbols={"COIN": "COIN"},
                truth=TruthConfig(silence="heartbeat"),
                reclaim=reclaim,
            )
            for name in ("mine", "theirs")
        )
        self.mappings = (_Volumes(("COIN",), PRIMARY), _Volumes(("COIN",), BACKUP))
        self.engine = FailoverEngine(
            (mine, theirs), self.mappings, Router(config), known or KnownLog(), Random(1)
        )
        self.now_ms = 0
        self.entries: list[LogEntry] = []
        self.reports: list[Failover] = []
        self.quiet: list[Quiet] = []
        self.left: list[Leave] = []
        self.up: dict[bool, int] = {}
        self.dead = {True: False, False: False}
        self.mute = {True: False, False: False}
        self.silent_from = 10**9 if not silence else 20

    def take(self, event: Event) -> None:
        """Hand an event over and carry out what follows."""
        for action in self.engine.handle(event, Instant(self.now_ms, START + self.now_ms)):
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Append):
            self.entries += action.entries
            self.take(Acknowledged(action.batch))
        elif isinstance(action, Report) and isinstance(action.event, Failover):
            self.reports.append(action.event)
        elif isinstance(action, Report) and isinstance(action.event, Quiet):
            self.quiet.append(action.event)
        elif isinstance(action, Leave):
            self.left.append(action)
        elif isinstance(action, Connect):
            self._connect(action.connection)

    def _connect(self, number: int) -> None:
        backup = self.engine.is_backup(number)
        if self.dead[backup]:
            self.take(ConnectionClosed(number, 1006))
            return
        self.up[backup] = number
        self.take(ConnectionOpened(number))
        self.take(Received(number, text(welcome=True)))
        self.take(Received(number, text(subscribed=["COIN"])))

    def cut(self, backup: bool) -> None:
        """A provider is gone until further notice."""
        self.dead[backup] = True
        self.take(ConnectionClosed(self.up.pop(backup), 1006))

    def run(self, until_minute: int) -> None:
        """Each provider sends the bar of a minute half a second after its end."""
        while self.now_ms < until_minute * MINUTE:
            step = min(max(self.engine.next_ms, self.now_ms + 1), self.now_ms // 500 * 500 + 500)
            self.now_ms = step
            self.take(Timer())
            if self.now_ms % MINUTE == 500 and self.now_ms > MINUTE:
                label = self.now_ms // MINUTE - 1
                for backup, number in sorted(self.up.items()):
                    if not self.mute[backup] and label < self.silent_from:
                        data = bar_text("COIN", START + label * MINUTE)
                        self.take(Received(number, data))

    def written(self) -> dict[int, list[float | None]]:
        """Volumes that were written, by minute."""
        found: dict[int, list[float | None]] = {}
        for entry in self.entries:
            if isinstance(entry.record, Bar):
                minute = (entry.record.start_ms - START) // MINUTE
                found.setdefault(minute, []).append(entry.record.volume)
        return found


def test_the_backup_writes_nothing_while_the_primary_is_well() -> None:
    pair = _Pair()
    pair.run(10)
    assert pair.written() == {minute: [PRIMARY] for minute in range(9)}
    assert pair.reports == []
    assert pair.engine.counts["backup_other"] >= 7


def test_the_backup_takes_over_at_the_slot_that_the_primary_lacks_and_gives_back() -> None:
    pair = _Pair()
    pair.run(5)
    pair.cut(backup=False)
    pair.run(12)
    pair.dead[False] = False
    pair.run(30)
    pair.cut(backup=False)
    pair.run(35)
    written = pair.written()
    assert sorted(written) == list(range(34))
    assert all(len(volumes) == 1 for volumes in written.values()), "each slot has one writer"
    switches = [
        (event.from_feed, event.to_feed, (event.slot_ms - START) // MINUTE)
        for event in pair.reports
    ]
    assert [each[:2] for each in switches] == [
        ("mine", "theirs"),
        ("theirs", "mine"),
        ("mine", "theirs"),
    ]
    first, back, second = (each[2] for each in switches)
    assert first == 4
    assert 16 <= back <= 20
    assert second == 29
    for minute, (volume,) in written.items():
        backed = first <= minute < back or minute >= second
        assert volume == (BACKUP if backed else PRIMARY), minute
    vias = {entry.via for entry in pair.entries if isinstance(entry.record, Bar)}
    assert vias == {"stream", "failover"}


def test_a_primary_that_is_connected_and_behind_is_backed_after_a_slot_and_the_grace() -> None:
    pair = _Pair()
    pair.run(5)
    pair.mute[False] = True
    pair.run(6)
    assert max(pair.written()) == 3
    pair.run(8)
    assert [event.to_feed for event in pair.reports] == ["theirs"]
    assert pair.written()[4] == [BACKUP]


def test_a_short_cut_changes_no_provider() -> None:
    pair = _Pair()
    pair.run(5)
    number = pair.up[False]
    pair.take(ConnectionClosed(number, 1006))
    pair.run(10)
    assert pair.reports == []


@pytest.mark.parametrize("reclaim", [False, True])
def test_slots_of_the_backup_are_revised_by_the_primary_only_where_it_may_reclaim(
    reclaim: bool,
) -> None:
    pair = _Pair(reclaim)
    pair.run(5)
    pair.cut(backup=False)
    pair.run(8)
    pair.dead[False] = False
    pair.run(20)
    pair.take(Received(pair.up[False], bar_text("COIN", START + 5 * MINUTE)))
    assert pair.written()[5] == ([BACKUP, PRIMARY] if reclaim else [BACKUP])


def test_a_change_of_the_backup_s_bar_is_its_own_even_after_the_primary_is_back() -> None:
    pair = _Pair()
    pair.run(5)
    pair.cut(backup=False)
    pair.run(8)
    pair.dead[False] = False
    pair.run(20)
    pair.mappings[1].volume = 777
    pair.take(Received(pair.up[True], bar_text("COIN", START + 5 * MINUTE)))
    pair.take(Received(pair.up[True], bar_text("COIN", START + 18 * MINUTE)))
    assert pair.written()[5] == [BACKUP, 777]
    assert pair.written()[18] == [PRIMARY]


def test_clocks_of_the_backup_go_on_while_it_writes() -> None:
    pair = _Pair(silence=True)
    pair.run(15)
    pair.cut(backup=False)
    pair.run(20)
    for _ in range(4):
        pair.run(pair.now_ms // MINUTE + 1)
        pair.take(Received(pair.up[True], text(beat=START + pair.now_ms)))
    pair.now_ms += 5_000
    pair.take(Received(pair.up[True], text(beat=START + pair.now_ms)))
    pair.run(pair.now_ms // MINUTE + 1)
    clocks = [entry for entry in pair.entries if isinstance(entry.record, Clock)]
    assert {entry.via for entry in clocks} == {"heartbeat"}
    assert clocks[-1].record.time_ms >= START + 22 * MINUTE  # type: ignore[union-attr]
    pair.take(StopAsked())
    assert {run.evidence for run in pair.quiet} == {"heartbeat"}
    assert pair.quiet[-1].to_ms == clocks[-1].record.time_ms  # type: ignore[union-attr]


def test_a_pause_that_the_backup_was_asked_for_outlives_the_process() -> None:
    limit = Limit(limit_id("theirs", "connections"), "theirs", None, START, 45_000, 406)
    pair = _Pair(known=KnownLog(limits=[limit]))
    found = {}
    for now_ms in range(0, 60_000, 500):
        pair.now_ms = now_ms
        pair.take(Timer())
        found[now_ms] = sorted(pair.up)
    assert found[44_500] == [False]
    assert found[45_000] == [False, True]


def test_the_pair_goes_on_when_one_of_them_is_out_and_ends_when_both_are() -> None:
    pair = _Pair()
    pair.run(5)
    pair.take(Received(pair.up[False], text(notice="fatal", text="no such plan")))
    pair.dead[False] = True
    pair.run(9)
    assert pair.left == []
    assert pair.written()[7] == [BACKUP]
    pair.take(Received(pair.up[True], text(notice="fatal", text="no such plan")))
    assert [leave.exit_code for leave in pair.left] == [2]
