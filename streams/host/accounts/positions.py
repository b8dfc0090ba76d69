"""A position: signed lots, what they cost, and what was realised, in whole units."""

from __future__ import annotations

from tapeline.streams.host.accounts.money import half_away


class Lots:
    """Open lots of one symbol (docs/rules.md 21.10).

    Attributes
    ----------
    quantity
        Negative if short.
    cost
        What the open lots were bought for; negative if short: what they were sold for.
    realised
        Result of all lots that were closed, without commission.
    commission
        Paid for all fills.
    opened_ms
        Of the fill that left zero, or turned; None if flat.
    """

    def __init__(self) -> None:
        self.quantity = 0
        self.cost = 0
        self.realised = 0
        self.commission = 0
        self.opened_ms: int | None = None

    def trade(self, signed: int, lot_value: int, fill_ms: int) -> bool:
        """Buy (above zero) or sell lots; whether the position came to zero, or through it.

        Parameters
        ----------
        lot_value
            Price of a lot in units.
        """
        before = self.quantity
        closed = 0
        if before * signed < 0:
            closed = min(abs(signed), abs(before))
            released = half_away(self.cost * closed, abs(before))
            if signed < 0:
                closed = -closed
            self.realised -= closed * lot_value + released
            self.cost -= released
        opened = signed - closed
        self.cost += opened * lot_value
        self.quantity = before + signed
        ended = before != 0 and (self.quantity == 0 or (opened != 0 and closed != 0))
        if self.quantity == 0:
            self.opened_ms = None
        elif before == 0 or ended:
            self.opened_ms = fill_ms
        return ended

    def result(self, lot_value: int) -> int:
        """Result of the open lots at a price of a lot, in units."""
        return self.quantity * lot_value - self.cost
