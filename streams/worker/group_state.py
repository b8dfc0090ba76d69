"""A group of a partition of the log: its engine, and what goes with each of its outputs."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import GroupEngine, StateIncompleteError, StateVersionError
from tapeline.streams.kafka.snapshots import (
    CloseClock,
    SnapshotHead,
    snapshot_messages,
)
from tapeline.streams.outputs.messages import EventMessage, group_header
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    IDENTITY,
    GroupIdentity,
    IdentityError,
    restore_engine,
)
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.worker.state.records import (
    FIRST,
    LOST,
    StateFormatError,
    StoredGroup,
)


class GroupState:
    """A group's engine and what goes with each of its outputs.

    Attributes
    ----------
    slot
        Where the router has it.
    closed
        Date of the session whose close the last record passed, until the state is kept: when there
        is time for it, at the latest before the next record.
    first
        As in `StoredGroup`.
    reached_ms, shown_ms
        Greatest watermark of the partition with the record that passed the close, and the key of
        that record; see `streams.kafka.shown`.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        stored: StoredGroup | None,
        registry: Registry = EVENTS,
    ) -> None:
        self.group = group
        self.first = None if stored is None else stored.first
        self.reached_ms = self.shown_ms = FAR_PAST_MS
        self._first_kept = self.first is not None
        self._slots = config.kafka.snapshot_days
        self.header = group_header(group)
        if stored is None:
            self.engine = GroupEngine(plan_group(config, group, registry))
            self.identity = GroupIdentity(config, self.engine)
        else:
            self.engine = _restored(config, group, stored, registry)
            self.identity = GroupIdentity(config, self.engine, stored.settings)
        self.slot = GroupSlot(group, self.engine)
        known = self.slot.watermark_ms
        self.closes = CloseClock(
            self.engine.plan.instruments[0].calendar, None if known == FAR_PAST_MS else known
        )
        self.closed: str | None = None

    @property
    def watermark_ms(self) -> int:
        """Greatest of the group; `FAR_PAST_MS` before its first bar or clock."""
        return self.slot.watermark_ms

    def close(self, watermark_ms: int, offset: int, reached_ms: int, shown_ms: int) -> bool:
        """Whether a record passed a close with the watermark that it raised."""
        if self.first is None:
            self.first = (offset, reached_ms)
        self.reached_ms, self.shown_ms = reached_ms, shown_ms
        self.closed = self.closes.passed(watermark_ms)
        return self.closed is not None

    def snapshot(self) -> list[EventMessage]:
        """The state at the close of a session; one must have closed."""
        session, self.closed = self.closed, None
        assert session is not None
        assert self.first is not None
        engine = self.engine
        first, first_reached_ms = self.first
        head = SnapshotHead(
            group=self.group,
            session=session,
            offset=engine.offset,
            settings=self.identity.current(),
            reached_ms=self.reached_ms,
            first=first,
            first_reached_ms=first_reached_ms,
            shown_ms=self.shown_ms,
        )
        records = {IDENTITY: self.identity.record(), **engine.snapshot()}
        return snapshot_messages(head, records, self.watermark_ms, self._slots)

    def changed(self) -> dict[str, Any]:
        """State records that changed since the last call."""
        changed = self.engine.changed()
        if self.first is not None and not self._first_kept:
            changed[FIRST] = self.first
            self._first_kept = True
        record = self.identity.changed_record()
        if record is not None:
            changed[IDENTITY] = record
        return changed


def _restored(config: Config, group: str, stored: StoredGroup, registry: Registry) -> GroupEngine:
    try:
        return restore_engine(config, group, stored.settings, stored.records, registry)
    except StateVersionError as error:
        raise StateFormatError(
            f"the stored state of group {group} was made by another version of Tapeline"
            f" ({error}): build anew under another topic prefix, or run the version that wrote it"
        ) from error
    except StateIncompleteError as error:
        raise StateIncompleteError(f"{error}. {LOST}") from error
    except IdentityError as error:
        text = (
            f"{error}. Results of the two would mix: go back to the settings and the calendars of"
            " before, or build anew under another topic prefix (docs/operations.md, Rebuild)"
        )
        raise IdentityError(text, group, error.found) from error
