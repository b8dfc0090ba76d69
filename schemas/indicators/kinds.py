"""What a row of the table of indicators says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LONGEST_PERIOD = 5_000


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter of an indicator.

    Attributes
    ----------
    name
        The word before ``=`` in a specification.
    default
        Text of its value where none is given; None: one must be.
    form
        ``period``: a whole number from `least` to 5,000, always in the key; ``factor``: a decimal
        number above 0; ``level``: one of 0 or more; ``word``: one of `words`.
    mark
        What stands before the value in a key, where it is not the default.
    always
        Whether the value stands in the key even as the default, without a mark.
    positional
        Whether it may be given without its name.
    """

    name: str
    default: str | None = None
    form: Literal["period", "factor", "level", "word"] = "period"
    least: int = 1
    mark: str = ""
    words: tuple[str, ...] = ()
    always: bool = False
    positional: bool = False

    @property
    def allowed(self) -> str:
        """What its value may be, in words."""
        if self.form == "period":
            return f"a whole number from {self.least} to {LONGEST_PERIOD:,}"
        if self.form == "factor":
            return "a decimal number above 0 and below 1,000,000"
        if self.form == "level":
            return "a decimal number from 0 to below 1,000,000"
        return " or ".join(self.words)


class IndicatorKind(Struct, frozen=True, forbid_unknown_fields=True):
    """An indicator: a row of the table.

    Attributes
    ----------
    values
        Names of its values where it has several; they follow its key behind a dot.
    arithmetic
        ``E``: an exact rational, rounded once; ``Q``: exact but for one square root; ``R``:
        doubles in a fixed order, recursive; ``X``: needs a logarithm.
    formula
        Of its values; c, o, h, l, v are close, open, high, low and volume of a bar, c1 the close
        before, S() a sum over the last n bars, HH and LL the highest high and lowest low of them.
    first
        Bars until the first value, as an expression of its parameters.
    state
        What is kept beyond the last bars.
    warm
        Bars beyond `first` until the beginning of history no longer shows, in words; empty: none.
    neutral
        Its value where the formula is 0 / 0.
    differs
        How libraries differ from it.
    ascending
        Parameters that must be given in strictly ascending order.
    on
        ``any`` interval; ``days``: 1d alone; ``below_weeks``: not on 1w.
    volume
        Bars whose volumes it looks at: ``none``, ``window`` (the last n) or ``anchored`` (those
        since its anchor).
    closes
        Whether closes are all it looks at, so that it may follow another indicator instead.
    gaps
        Whether its values may be null in the midst of others, so that none may follow it.
    """

    name: str
    formula: str
    parameters: tuple[Parameter, ...] = ()
    values: tuple[str, ...] = ()
    arithmetic: Literal["E", "Q", "R", "X"] = "E"
    first: str = "n"
    state: str = "none"
    warm: str = ""
    neutral: str = ""
    differs: str = ""
    ascending: tuple[str, ...] = ()
    on: Literal["any", "days", "below_weeks"] = "any"
    volume: Literal["none", "window", "anchored"] = "none"
    closes: bool = False
    gaps: bool = False


def period(name: str, default: int | None = None, least: int = 1) -> Parameter:
    """A number of bars."""
    return Parameter(
        name=name,
        default=None if default is None else str(default),
        least=least,
        always=True,
        positional=True,
    )


def word(name: str, *words: str) -> Parameter:
    """One of several words, the first by default."""
    return Parameter(name=name, default=words[0], form="word", words=words)


ANCHOR = word("anchor", "session", "history")
SMOOTHING = word("smoothing", "wilder", "simple")
