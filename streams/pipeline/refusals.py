"""What is refused: why, its dead letter, what to do about it, and how much of it a run takes."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from msgspec import Struct

from tapeline.schemas.errors import CheckFailedError
from tapeline.schemas.events import Reject
from tapeline.schemas.ids import reject_id
from tapeline.schemas.instants import iso_time

AHEAD = "ahead_of_time"


class Refusal(NamedTuple):
    """A record that becomes a dead letter: why, and the symbol where it can be read.

    Attributes
    ----------
    labels
        Labels that its bar may have, where its time can be read.
    """

    code: str
    reason: str
    symbol: str | None
    labels: tuple[int, ...] = ()


def dead_letter(source: str, raw: bytes, refusal: Refusal) -> Reject:
    """The dead letter of a record or of a row of a file.

    Parameters
    ----------
    source
        Where it lies, such as ``book.csv:17`` or ``topic/partition/offset``.
    raw
        Its bytes.
    """
    return Reject(
        reject_id(source),
        refusal.code,
        refusal.reason,
        source,
        base64.b64encode(raw).decode("ascii"),
        refusal.symbol,
    )


CURES: Mapping[str, str] = {
    AHEAD: "look for a row that is too early before the first of them: rows go by time; mend it,"
    " or raise `max_ahead` of the instrument after a long time without rows",
    "ahead_of_clock": "look at `start` and `stamp` of the feed, and at the clock of this machine",
    "ambiguous_time": "give times with an offset, or in UTC: the hour is there twice in that night",
    "bad_price": "mend the prices; zero and below need `negative_prices = true` of the instrument",
    "bad_volume": "mend the volumes: none is negative, and the greatest is 2^63 - 1",
    "beyond_horizon": "take the file with --store, which has no horizon, or raise"
    " `horizon_sessions` of the instrument",
    "decode_error": "write the file again as UTF-8 text: CSV, or one JSON record a line",
    "implausible_time": "mend the unit of the times, or widen `[time] earliest` and `latest`",
    "inconsistent_ohlc": "mend the prices: open and close lie from low to high",
    "misaligned_start": "name bars by their start, on the grid of `base` of the instrument",
    "off_tick": "round the prices to the tick, or set `tick` of the instrument to the feed's step",
    "outside_calendar": "mend the times, or set another `calendar` of the instrument",
    "schema_error": "mend the rows: fields, their types and their number",
    "too_many_symbols": "configure the symbols, or raise `[limits] symbols`",
    "unknown_interval": "set `base` of the instrument to the interval of the bars",
    "unknown_symbol": "configure the symbol under `[instruments]`, or allow others by"
    " `[instruments.default]`",
    "wrong_partition": "publish with `tapeline publish`, or by key = group and murmur2",
}
"""What to do about dead letters, by code."""


class RejectLimit(Struct, frozen=True):
    """How many rows may be refused; an input whose rows are all refused is always too much.

    Attributes
    ----------
    most
        Greatest number of rows, or percentage of all rows.
    percent
        Whether it is a percentage.
    """

    most: Decimal = Decimal(50)
    percent: bool = True

    @staticmethod
    def parse(text: str) -> RejectLimit:
        """The limit of ``120`` (rows) or ``2.5%`` (of all rows).

        Raises
        ------
        ValueError
            When it is neither a whole number nor a percentage from 0 to 100.
        """
        percent = text.endswith("%")
        number = text.removesuffix("%")
        try:
            most = Decimal(number)
        except InvalidOperation:
            most = Decimal("NaN")
        plain = number.isascii() and number.replace(".", "", int(percent)).isdigit()
        if not plain or (percent and most > 100):
            raise ValueError(f"{text!r} is neither a number of rows nor a percentage, such as 2.5%")
        return RejectLimit(most, percent)

    def exceeded(self, refused: int, rows: int) -> bool:
        """Whether so many of all rows are more than the limit."""
        return refused * 100 > self.most * rows if self.percent else refused > self.most

    def __str__(self) -> str:
        return f"{self.most}%" if self.percent else str(self.most)


DEFAULT_LIMIT = RejectLimit()


class RowRefusals:
    """Dead letters of the rows of a run's inputs: what its options append is no row.

    Attributes
    ----------
    codes
        Rows by code.
    by_input
        Rows by path of the input.
    """

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.by_input: Counter[str] = Counter()

    def add(self, path: str, code: str) -> None:
        """One more."""
        self.codes[code] += 1
        self.by_input[path] += 1

    def plain(self) -> dict[str, dict[str, int]]:
        """Plain data, for a run that may go on after a kill."""
        return {"codes": dict(self.codes), "by_input": dict(self.by_input)}

    @staticmethod
    def of(data: Mapping[str, Mapping[str, int]]) -> RowRefusals:
        """The refusals whose `plain` this is."""
        found = RowRefusals()
        found.codes.update(data["codes"])
        found.by_input.update(data["by_input"])
        return found


class Jump(Struct, frozen=True):
    """Where the first row was met that is too far ahead of its symbol.

    Attributes
    ----------
    source
        Of that row: ``path:line``.
    watermark_ms
        Watermark of the symbol, epoch milliseconds.
    after
        Source of the row that had brought it there; None where that is not known.
    """

    symbol: str
    source: str
    watermark_ms: int
    after: str | None

    @property
    def cure(self) -> str:
        """What to do about it: the row before may be the wrong one, not those that are refused."""
        reached = iso_time(self.watermark_ms)
        if self.after is None:
            wrong = f"a row of {self.symbol} that ends at {reached}"
        else:
            wrong = f"{self.after}, of {self.symbol}, which ends at {reached}"
        return (
            f"rows are taken in the order of their times, and {self.source} was the first too far"
            f" after {wrong}; if that one is wrong mend its time; if no rows came for so"
            " long raise `max_ahead` of the instrument"
        )


class RowReport(Struct, frozen=True):
    """What a run refused of its inputs, against its limit.

    Attributes
    ----------
    rows
        Of all inputs.
    refused
        Those that are dead letters.
    limit
        As it was given.
    code
        The code of most of them, the first by name of equal ones; None where there are none.
    wholly_refused
        Inputs all of whose rows are dead letters.
    empty
        Inputs without any row.
    jump
        Where the first row that is `ahead_of_time` was met, where that is known.
    """

    rows: int
    refused: int
    limit: str
    code: str | None
    code_rows: int
    exceeded: bool
    wholly_refused: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    jump: Jump | None = None

    @property
    def cure(self) -> str | None:
        """What to do about the code of most."""
        if self.code == AHEAD and self.jump is not None:
            return self.jump.cure
        return None if self.code is None else CURES[self.code]

    def line(self, store: bool = False) -> str:
        """Why a run ends with 1: the share, the code of most and what to do.

        Parameters
        ----------
        store
            Whether nothing was written therefore.
        """
        share = 100 * self.refused / self.rows
        words = [f"{self.refused} of {self.rows} rows ({share:.1f} %) are refused"]
        if self.refused < self.rows:
            # One input of which nothing is left is too much, whatever the others hold.
            words[0] += (
                f", all of {self.wholly_refused[0]} among them"
                if self.wholly_refused
                else f", more than {self.limit} (--max-rejects)"
            )
        if store:
            words.append("the store is as it was")
        words.append(f"{self.code_rows} of them {self.code}: {self.cure}")
        return "; ".join(words)

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rows": self.rows,
            "refused": self.refused,
            "limit": self.limit,
            "exceeded": self.exceeded,
            "code": self.code,
            "code_rows": self.code_rows,
            "cure": self.cure,
            "wholly_refused": list(self.wholly_refused),
            "empty_inputs": list(self.empty),
        }


class RowsRefusedError(CheckFailedError):
    """A run did its work, and more rows are refused than its limit allows."""


def refuse_beyond_limit(report: RowReport | None) -> None:
    """Let a command whose work is done end with that.

    Raises
    ------
    RowsRefusedError
        When more rows are refused than the limit allows.
    """
    if report is not None and report.exceeded:
        raise RowsRefusedError(report.line())


def row_report(
    inputs: Iterable[tuple[str, int]],
    refusals: RowRefusals,
    limit: RejectLimit,
    jump: Jump | None = None,
) -> RowReport:
    """What was refused of inputs.

    Parameters
    ----------
    inputs
        Path and rows of each.
    jump
        As in the report.
    """
    rows: Counter[str] = Counter()
    for path, count in inputs:
        rows[path] += count
    refused, total = refusals.codes.total(), rows.total()
    most = max(sorted(refusals.codes), key=refusals.codes.__getitem__, default=None)
    wholly = tuple(path for path in rows if 0 < rows[path] <= refusals.by_input[path])
    return RowReport(
        rows=total,
        refused=refused,
        limit=str(limit),
        code=most,
        code_rows=0 if most is None else refusals.codes[most],
        exceeded=bool(wholly) or limit.exceeded(refused, total),
        wholly_refused=wholly,
        empty=tuple(path for path in rows if not rows[path]),
        jump=jump,
    )
