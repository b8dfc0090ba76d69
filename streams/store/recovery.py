"""Lines of the log that the state does not include yet are applied: after a kill, or to all of it.

Their events get the `seq` that they had: it names the same records. A group that
was run again from its bars left a clock without effect in the log, under whose offset it published
what changed; at that clock it is run again.
"""

from __future__ import annotations

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.records import Clock
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.store.again import unreadable_line
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.layout import LOG_FILE, StoreError, rebuild_way
from tapeline.streams.store.rebuild import check_readable, rebuild


def recover(keeper: Keeper, step_records: int, refused_stay: bool = False) -> None:
    """Apply and commit what lies in the log beyond the checkpoint.

    Parameters
    ----------
    step_records
        Records between two commits.
    refused_stay
        A record that is refused keeps its offset and becomes a dead letter.

    Raises
    ------
    StoreError
        When a record is refused and may not stay: by other settings than those of the run that
        took it. Those before it were applied.
    StoreDamagedError
        When a line is no record, likewise.
    """
    first = keeper.next_offset
    decode = RecordDecoder().decode
    log = keeper.store.folder / LOG_FILE
    for line in keeper.store.tail():
        try:
            record = decode(line)
        except CodecError as error:
            raise unreadable_line(log, keeper.next_offset + 1, error) from error
        if isinstance(record, Clock) and _rebuilt_at(keeper, record, line):
            continue
        refusal = keeper.take_again(record, line)
        if refusal is not None:
            source = f"{LOG_FILE}:{keeper.next_offset}"
            if not refused_stay:
                raise StoreError(
                    f"{keeper.store.folder / source}: is refused now ({refusal}); use the settings"
                    f" it was taken with, or {rebuild_way(keeper.store.folder)}"
                )
            keeper.refuse(source, line, Refusal(refusal.code, refusal.reason, record.symbol))
        if keeper.step.records >= step_records:
            _commit(keeper)
    if keeper.pending or keeper.step.letters:
        _commit(keeper)
    keeper.counts.recovered = keeper.next_offset - first


def _commit(keeper: Keeper) -> None:
    keeper.commit(None)
    keeper.counts.records_before = keeper.next_offset


def _rebuilt_at(keeper: Keeper, clock: Clock, line: bytes) -> bool:
    """Whether a group that waits for it was run again at the offset of a clock."""
    if not keeper.rebuilds or not keeper.is_idle(clock):
        return False
    group = keeper.config.group_of(clock.symbol)
    if group not in keeper.rebuilds:
        return False
    check_readable(keeper, group)
    if keeper.pending:
        _commit(keeper)
    if not rebuild(keeper, group, lambda: None, line):
        return False
    keeper.counts.outcome("idle")
    return True


def counts_after(keeper: Keeper) -> StoreCounts:
    """Counters of a run that begins where a recovery ended."""
    counts = StoreCounts(keeper.next_offset, keeper.registry)
    counts.recovered = keeper.counts.recovered
    return counts
