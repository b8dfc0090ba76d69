"""Whether the rows of a table come in the order of their bars' ends."""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.feeds.merge import BarEnds
from tapeline.streams.pipeline.refusals import Refusal

ISO_DATE = 10
"""Characters of ``2025-11-24``."""


class OrderCheck:
    """Looks at the rows of one table, from the first on.

    Rows that cannot be read have no time, and are passed over.

    Parameters
    ----------
    end_of
        Ends of bars, by which rows are in order.
    """

    def __init__(self, end_of: BarEnds) -> None:
        self._end_of = end_of
        self._latest = FAR_PAST_MS

    def rows(self, contents: Iterable[LogRecord | Refusal]) -> bool:
        """Whether none of the next rows ends before one that came earlier."""
        latest, end_of = self._latest, self._end_of
        lengths = end_of.lengths
        for content in contents:
            if type(content) is not Bar:
                continue
            length = lengths.get(content.symbol)
            if length is None:
                end = end_of(content.symbol, content.start_ms)
            else:
                end = content.start_ms + length
            if end < latest:
                return False
            latest = end
        self._latest = latest
        return True

    def have_one_length(self, symbols: Iterable[str]) -> bool:
        """Whether all bars of some symbols last equally long: the order of starts is theirs."""
        lengths = {self._end_of.lengths.get(symbol) for symbol in symbols}
        return len(lengths) == 1 and None not in lengths

    def ascending(self, first: LogRecord | Refusal, last: LogRecord | Refusal) -> bool:
        """Whether rows whose starts are known to ascend follow what came earlier.

        False also where one of the two cannot be read: look at the rows themselves then.
        """
        return type(first) is Bar and type(last) is Bar and self.rows((first, last))


def ascend_as_text(times: list[str]) -> bool:
    """Whether times of one notation ascend, as can be seen without reading them.

    Parameters
    ----------
    times
        Cells, or the beginnings of lines up to and with the first comma, all of them as long as the
        first is with it. False for any notation but whole numbers of equally many digits, and ISO
        times that are alike in all but their digits, with one offset.
    """
    first = times[0]
    if first.endswith(","):
        first, joined = first[:-1], "".join(times)
    else:
        joined = f"{','.join(times)},"
    count, step = len(times), len(first) + 1
    if len(joined) != count * step or joined[step - 1 :: step] != "," * count:
        return False
    marks = _marks(first)
    if marks is None or not joined.isascii():
        return False
    if any(joined[at::step] != first[at] * count for at in marks):
        return False
    # Nothing but digits at the other positions, and no comma or mark there.
    others = "," + "".join({first[at] for at in marks if not first[at].isdecimal()})
    digits = joined.encode().translate(None, others.encode())
    expected = count * sum(character.isdecimal() for character in first)
    return len(digits) == expected and digits.isdigit() and times == sorted(times)


def _marks(first: str) -> list[int] | None:
    """Positions where times of a notation must be equal; None if their order is not that of texts.

    Digits of an offset count backwards, so all of it must be equal.
    """
    if first.isdecimal():
        return []
    if first[4:5] != "-" or not first[:4].isdecimal():
        return None
    offset = max(first.find("+", ISO_DATE), first.find("-", ISO_DATE))
    until = len(first) if offset < 0 else offset
    return [at for at in range(len(first)) if at >= until or not first[at].isdecimal()]
