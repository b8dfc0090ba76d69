"""The contract of a rule that follows the bars of one symbol.

A tracker is called for what happens, in the order of the market, and publishes what it makes of it
at its fixed position in the output. It looks at nothing else: equal calls, equal events. The
shipped rules and those of a plan are one list, in the order of publication; their owner
(`tracks.SymbolTracks`) calls

1. `begin`, then `on_session` and `on_segment`, before the first bar;
2. for each in-session bar `on_bar`, when time has come to the bar's label;
3. `on_derived`, `on_session`, `on_segment`, `on_time` while time goes on, to its end or to a clock;
4. `publish`, once for each of its parts, at the end of the record and if it is `pending`: the parts
   of all trackers go by the positions of their types in the registry.

A session has ended when the next one begins: at its close `on_derived` comes first, `on_session`
and `on_segment` of the next session second, and `on_time` last, if `next_ms` is still reached then.
One record may pass several sessions: an `on_session` for each, `on_time` once. No `on_session`
follows the last session of the calendar: its close is known by `on_time` alone.

Between two records the owner may ask for a restore point, go back to one, or store the state. A
correction does so: it runs bars twice from a restore point, as they were and as they are, and
compares by id what both runs published last (docs/rules.md 7). `publish` is called in these runs as
in any other, with a stamp that is muted: what it appends is compared, and not sent.

On the fast path nothing of this is called for a bar. Four forms let a tracker stay on it: bars are
handed over later, several at once (`take`), one by one (`at_once`), at once where one leaves two
prices (`ceiling`, `floor`), or where it has an `edge`. Beyond them shipped rules have, each named
in its class, for speed alone and with the results of the contract:

- sessions know what an unbroken run is, and count its slots when it ends (`enter_run`, `leave_run`,
  `all_present`); they call `on_session` and `on_segment` of all others;
- derived bars are handed runs of which it is known that volumes are whole (`take`), and close and
  publish at once what these end (`roll`), where it would be (`next_grid_ms`);
- ranges are handed the bar that leaves their prices without those before it (`reach`);
- swings take an edge of the fast path with all that decides it, and publish it at once (`add`);
- sessions, derived bars, ranges and swings look up the last bars (`LastBars`) instead of taking
  runs; pairs, and links of swings, follow the ranges of their symbol.
"""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import mypyc_attr

from tapeline.schemas.events import Event
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.volume import Volume

NEVER_MS: Final = FAR_FUTURE_MS
"""An instant that no record reaches."""
NO_LEVEL: Final = 1 << 62
"""A price in ticks that no bar reaches; negated, one that none falls to."""


class ClosedBar:
    """A derived bar that has closed, complete or not, published or not; prices in ticks.

    Attributes
    ----------
    session
        ISO date of its session, of a week that of its first one.
    start_ms, end_ms
        Its window [start_ms, end_ms).
    volume
        None when no bar in it had one.
    have, need
        Base slots with a bar, and all of them.
    """

    __slots__ = (
        "close", "end_ms", "have", "high", "interval", "low", "need", "open", "session", "start_ms",
        "volume",
    )  # fmt: skip

    def __init__(
        self,
        interval: str,
        session: str,
        bar: tuple[int, int, int, int, int, int],
        volume: Volume,
        have: int,
        need: int,
    ) -> None:
        self.interval = interval
        self.session = session
        self.start_ms, self.end_ms, self.open, self.high, self.low, self.close = bar
        self.volume = volume
        self.have = have
        self.need = need

    @property
    def complete(self) -> bool:
        """Whether every base slot has its bar."""
        return self.have == self.need


@mypyc_attr(allow_interpreted_subclasses=True)
class Tracker:
    """One rule over the bars of one symbol; a subclass overrides what it needs.

    Parameters
    ----------
    name
        Name of the rule: what its stored records lie under, and part of the identity of settings.
        Unique among the trackers of a symbol; lower-case letters, digits and underscores.
    version
        Raised when the same bars lead to other events: states of before are refused then.
    parts
        Types of the events it publishes, in the order of publication.
    intervals
        Derived intervals that `on_derived` is called for.
    takes_runs
        Bars of an unbroken run may be handed over later, several at once, by `take`: at the latest
        when time reaches `next_ms`, a derived bar closes or a bar leaves [`floor`, `ceiling`]. With
        False every bar of the symbol takes the slow path, and `on_bar` is called at once.

    Attributes
    ----------
    next_ms
        First instant at which `on_time` must be called. Until then a bar costs the tracker nothing
        but `on_bar`; it may change in any call.
    pending
        Whether `publish` has something to append; the owner sets it to False afterwards.
    ceiling, floor
        Prices in ticks: a bar of a run that is above the one or below the other is handed over at
        once, and published for. `NO_LEVEL` and its negative: no bar is.
    at_once
        Whether bars of a run are handed over one by one, each at its end, and published for; of a
        tracker that takes runs. It does not change.
    edge
        Whether `on_edge` is called for bars that are not inside their neighbours.
    """

    __slots__ = (
        "at_once", "ceiling", "edge", "floor", "intervals", "name", "next_ms", "parts", "pending",
        "takes_runs", "version",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        version: int,
        parts: tuple[str, ...],
        intervals: tuple[str, ...] = (),
        takes_runs: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.parts = parts
        self.intervals = intervals
        self.takes_runs = takes_runs
        self.next_ms = NEVER_MS
        self.pending = False
        self.ceiling = NO_LEVEL
        self.floor = -NO_LEVEL
        self.edge = False
        self.at_once = False

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label; in session or not."""

    def on_session(self, index: int, date: str) -> None:
        """A session begins: before its first bar, and whether it will have one or not.

        Parameters
        ----------
        index, date
            Its index in the symbol's calendar, and its ISO date.
        """

    def on_segment(self, index: int, segment: int, slots_before: int, position: int) -> None:
        """A segment of the session begins; a session without a break has one.

        Parameters
        ----------
        index, segment
            Session, and number of the segment in it, from 0.
        slots_before
            Base slots of the session before the segment.
        position
            In-session bars of the symbol before the session.
        """

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """An in-session bar, in order; time has come to its label.

        Parameters
        ----------
        row
            Label, open, high, low, close (ticks) and volume.
        end_ms
            End of its slot, exclusive.
        """

    def take(self, rows: list[PackedRow]) -> None:
        """Bars of an unbroken run in one segment, every slot of full length; instead of `on_bar`.

        Nothing ended between them that the tracker waits for. The list is not to be kept.
        """
        raise TypeError(f"tracker {self.name} takes runs of bars, and has no `take`")

    def on_edge(self, row: PackedRow, high: bool, end_ms: int) -> None:
        """The bar before the one just handed over is as high, or as low, as both its neighbours.

        Parameters
        ----------
        row
            That bar.
        high
            Its high it is; otherwise its low.
        end_ms
            End of the bar after it.
        """

    def on_derived(self, bar: ClosedBar) -> None:
        """A derived bar of one of `intervals` has closed; its base bars were handed over before."""

    def on_time(self, instant_ms: int) -> None:
        """No bar that ends at or before the instant comes any more; it is `next_ms` or later."""

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the events of one part to ``stamp.out``.

        The n-th event of the record has ``seq`` ``stamp.first_seq + n``; ``watermark_ms`` is that
        of the stamp, ``rev`` 0, ``corrects`` None. An id comes once a record.
        """

    def restore_point(self) -> Any:
        """The state between two records, in memory; later calls leave it as it is."""
        return None

    def rewind(self, point: Any) -> None:
        """Go to a restore point, which stays as it is.

        `on_session` and `on_segment` of the point's session come before it, and no `begin`.
        """

    def pack(self, point: Any) -> Any:
        """A restore point as plain data (JSON), at most 1 kB; by default the point is that."""
        return point

    def unpack(self, data: Any) -> Any:
        """The restore point of its `pack`; nothing changes here."""
        return data

    def release(self, point: Any) -> None:
        """Nothing goes back to before that restore point any more."""

    def snapshot(self) -> dict[str, Any]:
        """What the present restore point refers to, as records of plain data by name.

        Equal states give equal records. Most trackers have none: the owner stores `pack` of the
        present restore point itself.
        """
        return {}

    def changed(self) -> dict[str, Any]:
        """Records that differ since the last call, all of them the first time.

        A table that takes each under its name holds what `restore` needs. A name is never deleted:
        the tracker must know by the others that a record is left over.
        """
        return {}

    def restore(self, records: dict[str, Any]) -> None:
        """Take records as `snapshot` or `changed` gave them; `rewind` to the present follows."""

    def open_ids(self, point: Any = None) -> list[str]:
        """Ids of the facts that bars may still change, now or from a restore point on.

        One that ends with ``|`` stands for all ids that begin with it. A correction counts on with
        their ``rev``; of all others it is forgotten once they lie behind the correction horizon.
        """
        return []

    def standing(self, point: Any, ids: list[str]) -> list[Event]:
        """Facts as published last before a restore point, of those that could still change there.

        Parameters
        ----------
        ids
            Those that are wanted, also of other trackers; more may be given. ``seq``, ``rev``,
            ``watermark_ms`` and ``corrects`` are not looked at.
        """
        return []

    def end_of_runs(self) -> None:
        """A correction has compared its two runs: `standing` is not asked about them any more."""

    def reset(self) -> None:
        """The history starts anew: be as after the constructor."""
