"""Full states of a group at session closes: start points of replays, and an insurance.

A set of parts holds all state records of a group. A set whose parts differ in their offset, or
that lacks a part, is no state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from schemas.topics import DEFAULT_PREFIX, snapshot_topic
from streams.core.calendar import Calendar
from streams.kafka.event_messages import Message
from streams.state_values import decoded, encoded

PART_BYTES = 400_000
FORMAT = 1


class SnapshotPart(Struct, frozen=True):
    """One message of the topic of snapshots.

    Attributes
    ----------
    offset
        Source offset of the last record the state includes.
    session
        ISO date of the session that closed.
    settings
        Hash of the settings of the group.
    records
        State records by name; those of all `parts` together are the state.
    """

    v: int
    group: str
    session: str
    offset: int
    settings: str
    part: int
    parts: int
    records: dict[str, msgspec.Raw]


class CloseClock:
    """Notices when the watermark of a group passes the close of a session.

    The first watermark of all passes the close before it: so every group that has a state has a
    snapshot, and who finds none of a group knows that it had no record yet.

    Parameters
    ----------
    watermark_ms
        Where it stands; closes up to there have passed before.

    Attributes
    ----------
    next_ms
        The next close, None before the first watermark: no watermark before it passes anything.
    """

    def __init__(self, calendar: Calendar, watermark_ms: int | None) -> None:
        self._calendar = calendar
        self.next_ms: int | None = None
        if watermark_ms is not None:
            self.next_ms = self._close_after(watermark_ms)

    def passed(self, watermark_ms: int) -> str | None:
        """Date of the last session that closed since the last call, None when none did."""
        if self.next_ms is not None and watermark_ms < self.next_ms:
            return None
        self.next_ms = self._close_after(watermark_ms)
        calendar = self._calendar
        index = calendar.session_of(watermark_ms) - 1
        return calendar.date(index) if calendar.has_session(index) else None

    def _close_after(self, instant_ms: int) -> int:
        calendar = self._calendar
        index = calendar.session_of(instant_ms)
        # Beyond the calendar there are no bars, and no clock passes its end.
        return calendar.close_ms(index) if calendar.has_session(index) else instant_ms + 1


def snapshot_messages(
    group: str,
    session: str,
    offset: int,
    settings: str,
    records: dict[str, Any],
    timestamp_ms: int,
    part_bytes: int = PART_BYTES,
) -> list[Message]:
    """The messages of one snapshot, of about `part_bytes` each: whole records, in their order."""
    packed = [(name, encoded(content)) for name, content in records.items()]
    found = list(_portions(packed, part_bytes))
    messages = []
    for number, portion in enumerate(found):
        part = SnapshotPart(
            FORMAT,
            group,
            session,
            offset,
            settings,
            number,
            len(found),
            {name: msgspec.Raw(content) for name, content in portion},
        )
        headers = [
            ("type", b"snapshot"),
            ("group", group.encode()),
            ("offset", b"%d" % offset),
            ("parts", b"%d" % len(found)),
        ]
        key = f"{group}|{session}|{number}".encode()
        messages.append(Message(timestamp_ms, key, msgspec.json.encode(part), headers))
    return messages


def joined(parts: Iterable[SnapshotPart]) -> dict[str, Any] | None:
    """The state records of a set of parts; None when it is not whole or of one moment."""
    found = sorted(parts, key=lambda each: each.part)
    if not found or [each.part for each in found] != list(range(found[0].parts)):
        return None
    if len({(each.group, each.session, each.offset, each.parts) for each in found}) > 1:
        return None
    return {name: decoded(content) for each in found for name, content in each.records.items()}


def topic(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic of snapshots."""
    return snapshot_topic(prefix)


def _portions(packed: Iterable[tuple[str, bytes]], limit: int) -> Iterator[list[tuple[str, bytes]]]:
    portion: list[tuple[str, bytes]] = []
    taken = 0
    for name, content in packed:
        size = len(name) + len(content) + 4
        if portion and taken + size > limit:
            yield portion
            portion, taken = [], 0
        portion.append((name, content))
        taken += size
    yield portion
