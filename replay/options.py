"""What is replayed, from where to where, and how fast."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from os import PathLike, fspath
from typing import Any, Protocol, TypedDict

from msgspec import Struct

from tapeline.replay.bounds import Bound, parse_bound
from tapeline.replay.fold import Selection, selected
from tapeline.replay.hosting import StrategyChoice
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.symbols import names_of
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.times import EPOCH, MILLISECOND

Named = str | PathLike[str] | tuple[str, str | PathLike[str]]
"""A file, or a symbol and the file of its bars."""
When = str | int | datetime | Bound
"""A session date or an ISO time with offset, UTC epoch milliseconds, a datetime with a zone, or
offsets (`replay.bounds.Bound`)."""


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """What is replayed.

    Attributes
    ----------
    start, stop
        Bounds; None: the log's own beginning and end.
    selection
        Groups and symbols.
    as_corrected
        The last version of every bar, sorted, instead of the log's order.
    snapshots
        Begin with stored states where the source has them.
    warmup_sessions
        Where there is none, begin so many sessions before the start, without outputs; None: at the
        beginning of the log.
    read_from
        By partition, where reading begins instead of at the start of the log; of a repetition.
    counted_from
        By partition, the first record that counts as input; of a repetition. Snapshots that the
        run began with may be gone meanwhile, and what is read instead of them is no part of it.
    follow
        Go on into what arrives after the replay was opened, until it is stopped; needs a topic and
        an open end. What was there comes in the total order, what arrives in that of its arrival.
    strategies
        Which strategies run; None: none.
    """

    start: Bound | None = None
    stop: Bound | None = None
    selection: Selection = Selection()
    as_corrected: bool = False
    snapshots: bool = True
    warmup_sessions: int | None = None
    read_from: Mapping[int, int] | None = None
    counted_from: Mapping[int, int] | None = None
    follow: bool = False
    strategies: StrategyChoice | None = None


class Pace(Protocol):
    """Decides when a record may be released; `replay.pace.control.Control` is one."""

    @property
    def stopped(self) -> bool:
        """Whether to end the replay."""
        ...

    def stop(self) -> None:
        """No more records go."""
        ...

    def begin_at(self, time_ms: int) -> None:
        """Event time is `time_ms` now."""
        ...

    def at_once(self, time_ms: int) -> bool:
        """Whether the next record goes without waiting; if not, `release` is awaited."""
        ...

    async def release(self, time_ms: int) -> bool:
        """Wait until the next record is due; False: it does not go, the replay is to end."""
        ...

    def seen(self, events: Collection[Output | HostEvent], marked: bool = False) -> None:
        """What the record led to, and whether a strategy marked it."""
        ...


class Keywords(TypedDict, total=False):
    """What `Replay.files`, `Replay.store` and `Replay.topic` take beside their source.

    Attributes
    ----------
    start, stop
        `When`; of a date the session's open for the start, its close for the stop.
    symbols, groups
        Only these.
    as_corrected, snapshots, warmup_sessions, follow
        As in `ReplayOptions`.
    pace
        Such as ``Control(speed=600)``; without it as fast as possible.
    strategies
        Names of the configuration, ``FILE.py:Class``, or ``all``; see `StrategyChoice`.
    settings, unsafe, check_memory
        Of the strategies; see `StrategyChoice`.
    """

    start: When | None
    stop: When | None
    symbols: Collection[str]
    groups: Collection[str]
    as_corrected: bool
    snapshots: bool
    warmup_sessions: int | None
    follow: bool
    pace: Pace | None
    strategies: str | Collection[str]
    settings: Mapping[str, Any]
    unsafe: bool
    check_memory: bool


def options_of(config: Config, keywords: Keywords) -> ReplayOptions:
    """The options that keywords mean.

    Raises
    ------
    InputError
        When a bound is none, or a name is not configured.
    TypeError
        When there is no such keyword, or a value is of another type.
    """
    unknown = sorted(keywords.keys() - Keywords.__annotations__.keys())
    if unknown:
        known = ", ".join(Keywords.__annotations__)
        raise TypeError(f"{', '.join(unknown)}: is no keyword of a replay; there are {known}")
    return ReplayOptions(
        start=bound_of("start", keywords.get("start")),
        stop=bound_of("stop", keywords.get("stop")),
        selection=selected(config, keywords.get("symbols", ()), keywords.get("groups", ())),
        as_corrected=keywords.get("as_corrected", False),
        snapshots=keywords.get("snapshots", True),
        warmup_sessions=keywords.get("warmup_sessions"),
        follow=keywords.get("follow", False),
        strategies=_choice_of(keywords),
    )


def _choice_of(keywords: Keywords) -> StrategyChoice | None:
    named = keywords.get("strategies", ())
    names = (named,) if isinstance(named, str) else names_of("strategies", named)
    if not names:
        given = {"settings", "unsafe", "check_memory"} & keywords.keys()
        if any(keywords.get(name) for name in given):
            raise InputError(f"{', '.join(sorted(given))}: are of strategies; name some")
        return None
    return StrategyChoice(
        names,
        dict(keywords.get("settings", {})),
        keywords.get("unsafe", False),
        keywords.get("check_memory", False),
    )


def bound_of(name: str, when: When | None) -> Bound | None:
    """The bound that a value means.

    Raises
    ------
    InputError
        When it is none, or a datetime has no zone.
    TypeError
        When it is something else.
    """
    if when is None or isinstance(when, Bound):
        return when
    if isinstance(when, str):
        return parse_bound(name, when)
    if isinstance(when, int) and not isinstance(when, bool):
        return Bound(time_ms=when)
    if not isinstance(when, datetime):
        raise TypeError(
            f"{name}={when!r}: give a session date or an ISO time as text, whole milliseconds, a"
            " datetime with a zone, or a Bound"
        )
    if when.tzinfo is None:
        raise InputError(f"{name} {when}: has no zone; add tzinfo=UTC")
    return Bound(time_ms=(when - EPOCH) // MILLISECOND)


def inputs_of(inputs: Sequence[Named]) -> tuple[Source, ...]:
    """Inputs as sources, in their order, which decides between rows of equal slots.

    Raises
    ------
    TypeError
        When it is one path instead of a list.
    """
    if isinstance(inputs, str | bytes | PathLike):
        raise TypeError(f"inputs={inputs!r}: give a list of files, [{inputs!r}]")
    found = []
    for each in inputs:
        symbol, path = each if isinstance(each, tuple) else (None, each)
        found.append(Source(fspath(path), symbol))
    return tuple(found)
