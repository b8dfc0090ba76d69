"""What a record must pass: docs/rules.md 6, in its order."""

from __future__ import annotations

from tapeline.schemas.instants import DAY_MS, MINUTE_MS, SECOND_MS, iso_date, iso_time
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.volume import GREATEST_VOLUME, Volume, refusal_of_volume, written_volume


class RecordChecks:
    """Checks of one symbol that need no state; each raises `RecordRejected`."""

    def __init__(self, plan: InstrumentPlan) -> None:
        self._calendar = plan.calendar
        self._base = plan.base
        self._base_ms = plan.base_ms
        self._scale = plan.scale
        self._earliest_ms = plan.earliest_ms
        self._latest_ms = plan.latest_ms
        self._label_grid_ms = SECOND_MS if plan.base_ms < MINUTE_MS else MINUTE_MS

    def interval(self, interval: str) -> None:
        """``unknown_interval``: not the base, by whatever name."""
        if interval == self._base:
            return
        try:
            name = parse_interval(interval).name
        except ValueError:
            name = ""
        if name != self._base:
            raise RecordRejected(
                "unknown_interval", f"interval {interval!r} is not the base {self._base}"
            )

    def label(self, start_ms: int) -> bool:
        """Whether the label lies in a session.

        ``implausible_time``, ``misaligned_start``, ``outside_calendar``.
        """
        if not self._earliest_ms <= start_ms < self._latest_ms:
            raise self._implausible(start_ms)
        calendar = self._calendar
        index = calendar.session_of(start_ms)
        if calendar.has_session(index):
            segment = calendar.segment_of(index, start_ms)
            if segment >= 0:
                if (start_ms - calendar.segment_opens(index)[segment]) % self._base_ms:
                    raise RecordRejected(
                        "misaligned_start", f"{start_ms} is not on the session's {self._base} grid"
                    )
                return True
        if start_ms % self._label_grid_ms:
            raise RecordRejected(
                "misaligned_start",
                f"{start_ms} is off session and not a multiple of {self._label_grid_ms} ms",
            )
        if not calendar.covers(start_ms) or not calendar.has_session(index):
            raise self._outside(start_ms)
        return False

    def clock(self, time_ms: int) -> None:
        """``implausible_time``, ``outside_calendar``.

        The close of a calendar's last session still belongs to the calendar.
        """
        if not self._earliest_ms <= time_ms < self._latest_ms:
            raise self._implausible(time_ms)
        calendar = self._calendar
        if not calendar.covers(time_ms) and time_ms != calendar.last_ms:
            raise self._outside(time_ms)

    def _implausible(self, instant_ms: int) -> RecordRejected:
        earliest = iso_date(self._earliest_ms // DAY_MS)
        latest = iso_date(self._latest_ms // DAY_MS)
        shown = iso_time(instant_ms)
        return RecordRejected(
            "implausible_time",
            f"{shown} is not from {earliest} to before {latest}: [time] earliest, latest",
        )

    def _outside(self, instant_ms: int) -> RecordRejected:
        calendar = self._calendar
        return RecordRejected(
            "outside_calendar",
            f"{instant_ms} is outside calendar {calendar.calendar_id}"
            f" ({calendar.first_ms} to {calendar.last_ms})",
        )

    def prices(self, bar: Bar) -> tuple[int, int, int, int]:
        """Prices in ticks; ``bad_price``, ``off_tick``, ``inconsistent_ohlc``."""
        scale = self._scale
        for price in (bar.open, bar.high, bar.low, bar.close):
            scale.check_sign(price)
        open_ = scale.ticks(bar.open)
        high = scale.ticks(bar.high)
        low = scale.ticks(bar.low)
        close = scale.ticks(bar.close)
        if not (low <= open_ <= high and low <= close <= high):
            raise RecordRejected(
                "inconsistent_ohlc",
                f"open {bar.open!r} and close {bar.close!r} are not within low {bar.low!r}"
                f" and high {bar.high!r}",
            )
        return open_, high, low, close

    def volume(self, volume: Volume) -> Volume:
        """Volume as it is kept; ``bad_volume``."""
        if volume is None:
            return None
        if not 0 <= volume < GREATEST_VOLUME:
            raise RecordRejected("bad_volume", refusal_of_volume(volume))
        return written_volume(volume)
