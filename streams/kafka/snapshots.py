"""Full states of a group at session closes: start points of replays, and an insurance.

A set of parts holds all state records of a group. A set whose parts differ in session or offset, or
that lacks a part, is no state.

The key of a part is ``group|slot|part``, and the slot of a session is its date in days since 1970
modulo ``[kafka] snapshot_days``: a later session takes the key of one so many days before it, so
compaction keeps the newest set of each slot and nothing has to be deleted. Who finds no set of a
group before an instant cannot conclude that it had no record there: older sets may be gone. Every
part therefore holds where the group began.

Beside the sets lies one message for each symbol that is not configured and admitted in its
partition (`streams.pipeline.admission`), under the key ``|symbols/SYMBOL``, written when it
is admitted: before any set that includes the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from tapeline.schemas.ids import snapshot_group, snapshot_key, snapshot_part, state_key
from tapeline.schemas.instants import day_of
from tapeline.schemas.topics import DEFAULT_PREFIX, snapshot_topic
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.engine import STATE_VERSION
from tapeline.streams.outputs.messages import EventMessage, group_header
from tapeline.streams.pipeline.admission import AdmittedSymbol
from tapeline.streams.pipeline.provenance import Identity
from tapeline.streams.pipeline.state_values import decoded, encoded

PART_BYTES = 400_000
FORMAT = 2
VERSION = b"%d.%d" % (FORMAT, STATE_VERSION)
"""Header ``version`` of what this version writes and reads: of the messages, and of the state."""
ADMITTED_KEY = state_key("", "symbols/").encode()
"""No group has an empty name."""


class SnapshotHead(Struct, frozen=True):
    """What a set holds about its state.

    Attributes
    ----------
    offset
        Source offset of the last record the state includes.
    session
        ISO date of the session that closed.
    settings
        Identity of the settings of the group; its parts are the first of the records.
    reached_ms
        Greatest watermark of the partition with that record: a replay that begins after a greater
        instant begins after this record.
    first, first_reached_ms
        Source offset of the group's first record that raised a watermark, and the greatest
        watermark of the partition with it.
    shown_ms
        Key of that record in the order of a replay; see `streams.kafka.shown`.
    """

    group: str
    session: str
    offset: int
    settings: Identity
    reached_ms: int
    first: int
    first_reached_ms: int
    shown_ms: int


class SnapshotPart(SnapshotHead, frozen=True, kw_only=True):
    """One message of the topic of snapshots.

    Attributes
    ----------
    records
        State records by name; those of all `parts` together are the state.
    """

    v: int
    part: int
    parts: int
    records: dict[str, msgspec.Raw]


class SnapshotLabel(Struct, frozen=True):
    """The headers of a part: enough to choose among sets without reading states.

    Attributes
    ----------
    part, parts
        Number of the part, from 0, and of how many.
    """

    group: str
    session: str
    offset: int
    reached_ms: int
    first: int
    first_reached_ms: int
    shown_ms: int
    part: int
    parts: int


class CloseClock:
    """Notices when the watermark of a group passes the close of a session.

    The first watermark of all passes the close before it (in the first session of a calendar it
    counts as that of the session itself): so every group that has a watermark has a snapshot.

    Parameters
    ----------
    watermark_ms
        Its value now; closes up to there have passed before.

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
        index = calendar.session_of(watermark_ms)
        before = calendar.has_session(index - 1)
        return calendar.date(index - 1 if before else index)

    def _close_after(self, instant_ms: int) -> int:
        calendar = self._calendar
        index = calendar.session_of(instant_ms)
        # Beyond the calendar there are no bars, and no clock passes its end.
        return calendar.close_ms(index) if calendar.has_session(index) else instant_ms + 1


def snapshot_messages(
    head: SnapshotHead,
    records: dict[str, Any],
    timestamp_ms: int,
    slots: int,
    part_bytes: int = PART_BYTES,
) -> list[EventMessage]:
    """The messages of one snapshot, of about `part_bytes` each: whole records, in their order.

    Parameters
    ----------
    slots
        Over how many days keys differ: ``[kafka] snapshot_days``.
    """
    packed = [(name, encoded(content)) for name, content in records.items()]
    found = list(_portions(packed, part_bytes))
    slot = slot_of(head.session, slots)
    headers = [
        ("type", b"snapshot"),
        ("version", VERSION),
        group_header(head.group),
        ("session", head.session.encode()),
        *((name, b"%d" % getattr(head, name)) for name in NUMBERS),
        ("parts", b"%d" % len(found)),
    ]
    messages = []
    for number, portion in enumerate(found):
        part = SnapshotPart(
            **asdict(head),
            v=FORMAT,
            part=number,
            parts=len(found),
            records={name: msgspec.Raw(content) for name, content in portion},
        )
        key = snapshot_key(head.group, slot, number).encode()
        messages.append(EventMessage(timestamp_ms, key, msgspec.json.encode(part), list(headers)))
    return messages


NUMBERS = ("offset", "reached_ms", "first", "first_reached_ms", "shown_ms")
"""Fields of `SnapshotHead` that are headers, too, as decimal text."""


def slot_of(session: str, slots: int) -> int:
    """Slot of a session date."""
    return day_of(session) % slots


def group_of_key(key: bytes) -> str:
    """Group that the key of a part names, of any version."""
    return snapshot_group(key.decode(errors="replace"))


def label_of(key: bytes, headers: Mapping[str, bytes]) -> SnapshotLabel | None:
    """The label of a part; None when this version does not read it."""
    if headers.get("version") != VERSION or key.startswith(ADMITTED_KEY):
        return None
    return SnapshotLabel(
        group=headers["group"].decode(),
        session=headers["session"].decode(),
        part=snapshot_part(key.decode()),
        parts=int(headers["parts"]),
        **{name: int(headers[name]) for name in NUMBERS},
    )


def admission_message(admitted: AdmittedSymbol, timestamp_ms: int) -> EventMessage:
    """The message of an admitted symbol; equal whenever it is written."""
    content = {"v": FORMAT, "symbol": admitted.symbol, "offset": admitted.offset}
    headers = [
        ("type", b"symbol"),
        ("version", VERSION),
        ("offset", b"%d" % admitted.offset),
    ]
    key = ADMITTED_KEY + admitted.symbol.encode()
    return EventMessage(timestamp_ms, key, msgspec.json.encode(content), headers)


def admission_of(key: bytes, headers: Mapping[str, bytes]) -> AdmittedSymbol | None:
    """The admitted symbol of a message; None when it is of none, or of another version."""
    if not key.startswith(ADMITTED_KEY) or headers.get("version") != VERSION:
        return None
    return AdmittedSymbol(key.removeprefix(ADMITTED_KEY).decode(), int(headers["offset"]))


def joined(parts: Iterable[SnapshotPart]) -> dict[str, Any] | None:
    """The state records of a set of parts; None when it is not whole or not of one snapshot."""
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
