"""What a strategy asks for before it runs, and what it is given for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.streams.host.errors import SetupError

MOST_BARS = 5_000
"""Bars of a symbol and interval that a strategy can look back."""


class Needs(Struct, frozen=True):
    """What `now.view` holds for a strategy; what is not named here cannot be read.

    Attributes
    ----------
    symbols
        Symbols that it is called for, of those of its configuration; none: all of these.
    bars
        By interval, the base one or a derived one, how many of the last bars it reads, 1 to 5000.
        `on_bars` comes for these intervals, and for those of `indicators`; where none of both is
        named, for all.
    indicators
        Keys, such as ``sma_20_5m``. They are computed where the configuration asks for them.
    windows
        Names of historical windows of the configuration.
    events
        Types of facts, such as ``touch``, that it reads, and that `on_event` comes for; none: that
        comes for all types, and none can be read.
    sessions
        Of how many calendar sessions facts are kept, the present one among them.
    cold
        Whether hooks are called for a symbol before its bars and keys are complete.
    """

    symbols: Sequence[str] = ()
    bars: Mapping[str, int] = {}
    indicators: Sequence[str] = ()
    windows: Sequence[str] = ()
    events: Sequence[str] = ()
    sessions: int = 2
    cold: bool = False


class Setup(Struct, frozen=True):
    """What a strategy knows when it is set up.

    Attributes
    ----------
    name
        Of the strategy in the configuration.
    symbols
        Those that it is configured for, by name.
    settings
        Its own keys.
    config
        The whole configuration.
    """

    name: str
    symbols: tuple[str, ...]
    settings: Mapping[str, Any]
    config: Config

    def instrument(self, symbol: str) -> InstrumentConfig:
        """Instrument of a symbol: its tick, its base interval, its calendar.

        Raises
        ------
        SetupError
            When the configuration has none.
        """
        found = self.config.instrument(symbol)
        if found is None:
            raise SetupError(f"strategy {self.name}: symbol {symbol} is not configured")
        return found
