"""What trades on the sample exchange: a bar follows from symbol, slot and seed alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Final

from msgspec import structs

from tapeline.schemas.instants import SECOND_MS
from tapeline.schemas.records import Bar

SLOT_MS: Final = SECOND_MS
BASE: Final = "1s"
QUIET: Final = {"ALPHA": 0, "BETA": 20, "GAMMA": 40}
"""Symbols, and in how many of a hundred slots each of them has no trade."""
_REVISED_OF_HUNDRED: Final = 5
_CENTS: Final = 100


class SampleMarket:
    """Final bars of all slots of all time.

    Parameters
    ----------
    quiet
        Symbols, and in how many of a hundred slots each of them has no trade.
    """

    def __init__(self, quiet: Mapping[str, int] = QUIET, seed: int = 1) -> None:
        self.symbols = tuple(quiet)
        self._quiet = dict(quiet)
        self._seed = seed

    def bar(self, symbol: str, start_ms: int) -> Bar | None:
        """The final bar of a slot; None: nothing was traded."""
        slot = start_ms // SLOT_MS
        dice = self._dice(symbol, slot)
        if dice[0] * 100 < self._quiet[symbol] * 256:
            return None
        opened, closed = self._cents(symbol, slot), self._cents(symbol, slot + 1)
        low = min(opened, closed) - dice[1] % 4
        high = max(opened, closed) + dice[2] % 4
        return Bar(
            symbol,
            BASE,
            slot * SLOT_MS,
            opened / _CENTS,
            high / _CENTS,
            low / _CENTS,
            closed / _CENTS,
            100 + dice[3],
        )

    def first(self, symbol: str, start_ms: int) -> Bar | None:
        """The bar as the stream has it first: of some the last trade comes late."""
        bar = self.bar(symbol, start_ms)
        if bar is None or not self.is_revised(symbol, start_ms) or not isinstance(bar.volume, int):
            return bar
        return structs.replace(bar, volume=bar.volume - 7)

    def is_revised(self, symbol: str, start_ms: int) -> bool:
        """Whether the stream sends the bar of a slot a second time, with other content."""
        dice = self._dice(symbol, start_ms // SLOT_MS)
        return dice[4] * 100 < _REVISED_OF_HUNDRED * 256

    def _dice(self, symbol: str, slot: int) -> bytes:
        text = f"{self._seed} {symbol} {slot}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    def _cents(self, symbol: str, slot: int) -> int:
        """Price at the beginning of a slot: waves of some lengths, and noise."""
        level = 10_000 + 2_500 * (self._dice(symbol, -1)[0] % 8)
        waves = 400 * math.sin(slot / 2_900) + 90 * math.sin(slot / 311) + 25 * math.sin(slot / 37)
        return level + int(waves) + self._dice(symbol, slot)[5] % 5
