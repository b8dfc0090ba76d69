"""Where a replay begins to read, and with what: stored states, a warm-up, or the log's start."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from tapeline.replay.bounds import Bound, calendars_of, no_session_between, warm_up_ms
from tapeline.replay.fold import ReplayWindow
from tapeline.replay.options import ReplayOptions
from tapeline.replay.sources.protocol import (
    Lacking,
    LogMissingError,
    LogSource,
    StateBound,
    StoredState,
    StoredStates,
)
from tapeline.schemas.config.model import Config
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.errors import InputError


class Beginning(Struct, frozen=True):
    """What a replay begins with.

    Attributes
    ----------
    states
        By group.
    read_from
        By partition, the first offset that is read; `WarmUp` moves it on.
    start_states
        What each group with a state, and each partition without one, begins with; for the manifest.
    shown
        By partition that begins with states, the key of the record before the first that is read.
    admitted
        By partition, symbols that are not configured and admitted before the first record that
        is read, as far as that is stored.
    notes
        Why states that are there were not used, a sentence each.
    warm_ms
        Open of the first session of the warm-up, None without one.
    begins
        By partition, where its log begins.
    """

    window: ReplayWindow
    states: Mapping[str, StoredState]
    read_from: dict[int, int]
    start_states: dict[str, dict[str, Any]]
    shown: dict[int, int] = {}
    admitted: dict[int, list[str]] = {}
    notes: list[str] = []
    warm_ms: int | None = None
    begins: Mapping[int, int] = {}


async def beginning(
    config: Config, source: LogSource, options: ReplayOptions, partitions: Collection[int]
) -> Beginning:
    """Find it in a source that is open.

    Parameters
    ----------
    partitions
        Those that hold something of the selection.

    Raises
    ------
    InputError
        When the bounds leave nothing, name no partition that is read, or do not go together.
    LogMissingError
        When the log does not begin at offset 0 and nothing replaces what is missing.
    """
    window = _window(config, source, options, partitions)
    warm_ms = _warm_ms(config, source, options, window.from_ms)
    begins = {each: source.extents[each].begin for each in partitions}
    stored = await _stored(source, window, options, begins)
    start_states: dict[str, dict[str, Any]] = {}
    read_from: dict[int, int] = {}
    shown: dict[int, int] = {}
    for group, state in sorted(stored.states.items()):
        partition = source.partition_of(group) or 0
        start = state.offset + 1
        if start < read_from.get(partition, start + 1):
            read_from[partition], shown[partition] = start, state.shown_ms
        start_states[group] = {"kind": "snapshot", "offset": state.offset, "session": state.session}
    for partition in partitions:
        if partition in read_from:
            continue
        lacking = stored.lacking.get(partition)
        if options.read_from is not None and partition in options.read_from:
            start = options.read_from[partition]
        elif warm_ms is not None:
            # Only the records themselves show where it begins: `WarmUp` finds it.
            start = begins[partition]
        else:
            start = _log_start(partition, begins[partition], lacking)
        read_from[partition] = start
        found: dict[str, Any] = {"kind": "warm-up" if start > 0 else "log start", "offset": start}
        if lacking is not None:
            found |= {"lacking": lacking.group, "oldest": lacking.oldest}
        start_states[f"partition {partition}"] = found
    admitted = {
        partition: [each.symbol for each in symbols if each.offset < read_from[partition]]
        for partition, symbols in stored.admitted.items()
    }
    notes = _notes(stored)
    return Beginning(
        window, stored.states, read_from, start_states, shown, admitted, notes, warm_ms, begins
    )


async def _stored(
    source: LogSource, window: ReplayWindow, options: ReplayOptions, begins: Mapping[int, int]
) -> StoredStates:
    """Stored states before the stretch, where there can be some."""
    if not options.snapshots:
        return StoredStates()
    if window.starts is not None:
        offsets = {each: window.starts.get(each, begin) for each, begin in begins.items()}
        if offsets == begins:
            return StoredStates()
        return await source.states(StateBound(offsets=offsets), begins)
    if window.from_ms is None:
        return StoredStates()
    return await source.states(StateBound(window.from_ms), begins)


def _notes(stored: StoredStates) -> list[str]:
    found = [
        f"partition {partition}: no snapshots were used, {_why(lacking)}"
        for partition, lacking in sorted(stored.lacking.items())
    ]
    if stored.older:
        found.append(f"{stored.older} snapshots of other versions were left out")
    return found


def _why(lacking: Lacking) -> str:
    group, oldest = lacking.group, lacking.oldest
    if oldest is None:
        return f"group {group} has none that this version reads"
    return (
        f"group {group} has none so far back; its oldest one is of session {oldest}"
        " ([kafka] snapshot_days)"
    )


class WarmUp:
    """Leaves out what lies before a warm-up: the records themselves show where it begins.

    Parameters
    ----------
    begun
        Kept up to date: where reading began, and the notes about it.
    """

    def __init__(self, begun: Beginning) -> None:
        self._begun = begun
        # A partition with a state is read from there, however far back that lies.
        self._before = (
            set()
            if begun.warm_ms is None
            else {each for each in begun.read_from if f"partition {each}" in begun.start_states}
        )

    def leaves_out(self, partition: int, offset: int, time_ms: int) -> bool:
        """Whether the next record of a partition lies before the first one of the warm-up.

        Parameters
        ----------
        time_ms
            Its key, as in `LogItem`, or its own end where that is later: the key of a partition
            that was idle for longer than `shown.REACH_MS` stays behind, and all that follows
            would be left out. A nonsensical end makes the warm-up longer, and no result
            wrong.

        Raises
        ------
        LogMissingError
            When the first record that the log still has lies behind the start of the stretch.
        """
        if partition not in self._before:
            return False
        begun = self._begun
        assert begun.warm_ms is not None
        begin, from_ms = begun.begins.get(partition, 0), begun.window.from_ms
        if offset == begin > 0 and from_ms is not None and time_ms > from_ms:
            raise LogMissingError(
                f"partition {partition}: the log begins at offset {begin}, with a record after"
                " --from: nothing is left to warm up with, and the beginning of the stretch may be"
                " missing; begin later"
            )
        if time_ms >= begun.warm_ms:
            self._before.discard(partition)
            return False
        begun.read_from[partition] = offset + 1
        before = begun.start_states[f"partition {partition}"]
        begun.start_states[f"partition {partition}"] = {
            **before,
            "kind": "warm-up",
            "offset": offset + 1,
        }
        return True

    def __bool__(self) -> bool:
        return bool(self._before)


def _window(
    config: Config, source: LogSource, options: ReplayOptions, partitions: Collection[int]
) -> ReplayWindow:
    start, stop = options.start, options.stop
    calendars: list[Calendar] = []
    if any(bound is not None and bound.day is not None for bound in (start, stop)):
        calendars = calendars_of(config, options.selection.groups, source.symbols)
    from_ms = None if start is None else start.instant(calendars, "open")
    to_ms = None if stop is None else stop.instant(calendars, "close")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        assert start is not None
        assert stop is not None
        empty = no_session_between(start, stop, calendars)
        raise InputError("--from does not lie before --to" if empty is None else empty)
    starts, stops = (None if each is None else each.offsets for each in (start, stop))
    for option, bound in (("--from-offset", start), ("--to-offset", stop)):
        _check_partitions(option, bound, partitions)
    for partition in sorted((starts or {}).keys() & (stops or {}).keys()):
        assert starts is not None
        assert stops is not None
        if starts[partition] > stops[partition]:
            raise InputError(
                f"--from-offset {partition}:{starts[partition]} lies behind --to-offset"
                f" {partition}:{stops[partition]}"
            )
    return ReplayWindow(from_ms, to_ms, starts, stops)


def _check_partitions(option: str, bound: Bound | None, partitions: Collection[int]) -> None:
    offsets = {} if bound is None or bound.offsets is None else bound.offsets
    for partition, offset in sorted(offsets.items()):
        if partition not in partitions:
            known = ", ".join(map(str, sorted(partitions)))
            raise InputError(
                f"{option} {partition}:{offset}: there is no partition {partition} among those that"
                f" are read ({known})"
            )


def _warm_ms(
    config: Config, source: LogSource, options: ReplayOptions, from_ms: int | None
) -> int | None:
    sessions = options.warmup_sessions
    if sessions is None:
        return None
    if sessions < 0:
        raise InputError(f"--warmup-sessions {sessions}: give a number of sessions, 0 or more")
    if from_ms is None:
        raise InputError(
            f"--warmup-sessions {sessions}: is counted back from an instant; give --from, where"
            " the replay begins"
        )
    calendars = calendars_of(config, options.selection.groups, source.symbols)
    return warm_up_ms(calendars, from_ms, sessions)


def _log_start(partition: int, begin: int, lacking: Lacking | None) -> int:
    if begin > 0:
        why = "no snapshot is there" if lacking is None else f"{_why(lacking)}: nothing is there"
        raise LogMissingError(
            f"partition {partition}: the log begins at offset {begin}, and {why} to"
            f" replace the records from 0 to {begin - 1}; to begin without them, give an instant by"
            " --from, and --warmup-sessions"
        )
    return begin
