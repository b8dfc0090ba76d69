"""The drive: records of a log in, outcomes out. One loop for all that runs the core. Pure.

It decodes, finds the engine of the group, applies, refuses and counts. Where records come from and
where outcomes go is the driver's: the drive knows no Kafka, no files and no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Protocol

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot

Item = tuple[Any, ...]
"""A record of a log: its offset; the record, its bytes or why it is refused; its partition; and
whatever else the driver wants to see again. A plain tuple: one is made for every bar."""

# An imported name is looked up once compiled, this is a variable of C; a test holds them equal.
_ACCEPTED: Final = "accepted"


class Sink(Protocol):
    """What a driver does with what becomes of its records.

    Attributes
    ----------
    every
        Whether it takes records that changed nothing in the view, too.
    """

    every: bool

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """A record was applied; returns whether the batch goes on.

        Parameters
        ----------
        slot
            Of its group.
        outcome
            Valid until this returns.
        """
        ...

    def refused(self, item: Item, refusal: Refusal) -> None:
        """A record must become a dead letter."""
        ...

    def passed(self, item: Item) -> None:
        """A record was passed over: its engine has it already, or its group has none."""
        ...

    def resumes(self, slot: GroupSlot) -> None:
        """A record of a group that is held is about to be applied; see `Drive.hold`."""
        ...


class Drive:
    """Applies records of one log, or of some of its partitions.

    Parameters
    ----------
    router
        Finds the group of a record.
    outcomes
        Counter to go on with; None: a new one.

    Attributes
    ----------
    outcomes
        Records by what became of them, those refused left out; complete between two calls.
    """

    def __init__(self, router: Router, outcomes: Counter[str] | None = None) -> None:
        self.router = router
        self.outcomes: Counter[str] = Counter() if outcomes is None else outcomes
        self._ready: dict[str, GroupSlot] = {}
        self._decode: Any = RecordDecoder().decode

    def apply(self, record: LogRecord, offset: int, partition: int = 0) -> Outcome:
        """Apply one record.

        Parameters
        ----------
        offset
            Greater than that of any record of its group before.

        Returns
        -------
        Outcome
            Valid until the next record.

        Raises
        ------
        RecordRejected
            It must become a dead letter.
        """
        slot = self._ready.get(record.symbol)
        if slot is None or slot.partition != partition:
            slot = self.router.find(record, offset, partition)
            self._ready[record.symbol] = slot
        engine = slot.engine
        assert engine is not None
        outcome = engine.apply(record, offset)
        self.outcomes[outcome.kind] += 1
        if outcome.watermark_ms > slot.watermark_ms:
            slot.watermark_ms = outcome.watermark_ms
        return outcome

    def apply_many(self, items: Iterable[Item], sink: Sink) -> None:
        """Apply records until they end, or the sink ends the batch.

        They are taken one by one: what `items` does before it hands one over is done after the sink
        has the one before.

        Parameters
        ----------
        items
            Offsets ascend in every partition; nothing else is promised of them.
        """
        ready = self._ready
        decode = self._decode
        outcomes = self.outcomes
        every = sink.every
        accepted = 0
        for item in items:
            content = item[1]
            kind = type(content)
            if kind is bytes:
                try:
                    content = decode(content)
                except CodecError as error:
                    sink.refused(item, Refusal(error.code, error.reason, error.symbol))
                    continue
            elif kind is Refusal:
                sink.refused(item, content)
                continue
            slot = ready.get(content.symbol)
            try:
                if slot is None or slot.partition != item[2]:
                    slot = self._found(content, item, sink)
                    if slot is None:
                        continue
                engine = slot.engine
                if engine is None:
                    sink.passed(item)
                    continue
                outcome = engine.apply(content, item[0])
            except RecordRejected as error:
                sink.refused(item, Refusal(error.code, error.reason, content.symbol))
                continue
            if outcome.kind == _ACCEPTED:
                accepted += 1
            else:
                outcomes[outcome.kind] += 1
            watermark_ms = outcome.watermark_ms
            if watermark_ms > slot.watermark_ms:
                slot.watermark_ms = watermark_ms
            if (every or outcome.events or outcome.correction is not None) and not sink.took(
                item, slot, content, outcome
            ):
                break
        if accepted:
            outcomes[_ACCEPTED] += accepted

    def _found(self, record: LogRecord, item: Item, sink: Sink) -> GroupSlot | None:
        """Slot of a symbol that is not ready; None when the record is dealt with."""
        slot = self.router.find(record, item[0], item[2])
        engine = slot.engine
        if engine is not None and engine.offset >= item[0]:
            # Offsets ascend: once a record of a group is new, all that follow are.
            sink.passed(item)
            return None
        if slot.held:
            slot.held = False
            sink.resumes(slot)
        self._ready[record.symbol] = slot
        return slot

    def hold(self, slot: GroupSlot) -> None:
        """Let the sink know of the next record of a group before it is applied."""
        slot.held = True
        assert slot.engine is not None
        for instrument in slot.engine.plan.instruments:
            self._ready.pop(instrument.symbol, None)
