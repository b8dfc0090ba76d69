"""Needs of a strategy against the configuration: checked, never added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.schemas.indicators.specification import parse_stem
from tapeline.schemas.registry import EVENTS
from tapeline.streams.host.errors import SetupError
from tapeline.streams.host.needs import MOST_BARS, Needs, Setup
from tapeline.streams.host.strategy import Strategy

MOST_SESSIONS: Final = 400


def checked_needs(
    name: str,
    make: type[Strategy],
    settings: Mapping[str, Any],
    symbols: Sequence[str],
    config: Config,
) -> Needs:
    """What a strategy needs, with all of its symbols named; it is made and set up for that.

    Parameters
    ----------
    name
        Of the strategy in the configuration.
    settings
        Its own keys.
    symbols
        Symbols that it is configured for.

    Raises
    ------
    SetupError
        When it cannot be made, refuses, or needs what the configuration does not have; the message
        says what to add.
    """
    given = Setup(name, tuple(sorted(symbols)), dict(settings), config)
    try:
        strategy = make()
        strategy.memory = {}
        found = strategy.setup(given)
    except SetupError:
        raise
    except ValueError as error:
        raise SetupError(f"strategy {name}: {error}") from error
    except Exception as error:
        # Whatever code of others raises is shown as the reason.
        raise SetupError(f"strategy {name}: {type(error).__name__}: {error}") from error
    needs = Needs() if found is None else found
    if not isinstance(needs, Needs):
        raise SetupError(f"strategy {name}: setup returned {needs!r:.80}, not Needs")
    return _checked(needs, given)


def _checked(needs: Needs, given: Setup) -> Needs:
    name, config = given.name, given.config
    for what, value in (
        ("symbols", needs.symbols),
        ("indicators", needs.indicators),
        ("windows", needs.windows),
        ("events", needs.events),
    ):
        if isinstance(value, str) or not all(isinstance(each, str) for each in value):
            raise SetupError(f"strategy {name}: Needs({what}={value!r}) is no list of names")
    symbols = tuple(sorted(set(needs.symbols))) or given.symbols
    for symbol in symbols:
        if symbol not in given.symbols:
            raise SetupError(f"strategy {name} needs {symbol}, which is none of its symbols")
    if not symbols:
        raise SetupError(f"strategy {name} has no symbols: name them, or configure instruments")
    if type(needs.sessions) is not int or not 1 <= needs.sessions <= MOST_SESSIONS:
        raise SetupError(f"strategy {name}: sessions = {needs.sessions!r} is not 1 to 400")
    for event_type in needs.events:
        if event_type not in EVENTS.facts:
            known = ", ".join(EVENTS.facts)
            raise SetupError(f"strategy {name} needs facts {event_type!r}; there are {known}")
    for symbol in symbols:
        instrument = given.instrument(symbol)
        _check_bars(needs, name, symbol, config, instrument)
        _check_indicators(needs, name, symbol, config, instrument)
        _check_windows(needs, name, symbol, config)
    return Needs(
        symbols=symbols,
        bars=dict(needs.bars),
        indicators=tuple(dict.fromkeys(needs.indicators)),
        windows=tuple(dict.fromkeys(needs.windows)),
        events=tuple(dict.fromkeys(needs.events)),
        sessions=needs.sessions,
        cold=bool(needs.cold),
    )


def _check_bars(
    needs: Needs, name: str, symbol: str, config: Config, instrument: InstrumentConfig
) -> None:
    intervals = [instrument.base]
    intervals += [each.name for each in config.intervals_for(instrument.base)]
    for interval, count in needs.bars.items():
        if interval not in intervals:
            raise SetupError(
                f"strategy {name} needs bars of {interval}, which {symbol} does not have; it has"
                f" {', '.join(intervals)} ([derived] intervals)"
            )
        if type(count) is not int or not 1 <= count <= MOST_BARS:
            raise SetupError(
                f"strategy {name} needs {count!r} bars of {interval}; allowed: 1 to {MOST_BARS}"
            )


def _check_indicators(
    needs: Needs, name: str, symbol: str, config: Config, instrument: InstrumentConfig
) -> None:
    known = [
        key
        for each in config.indicators_for(instrument)
        for made in each.specifications
        for key in made.keys(each.interval)
    ]
    missing = [key for key in needs.indicators if key not in known]
    if missing:
        raise SetupError(
            f"strategy {name} needs {', '.join(missing)} of {symbol}, which the configuration does"
            f" not compute. Add\n{lines_to_add(name, symbol, missing, instrument)}"
        )


def lines_to_add(name: str, symbol: str, keys: Sequence[str], instrument: InstrumentConfig) -> str:
    """Lines of a configuration that compute indicators, as far as their keys tell."""
    stems: dict[str, list[str]] = {}
    for key in keys:
        stem, _, interval = key.partition(".")[0].rpartition("_")
        stems.setdefault(interval, []).append(_written(stem))
    lines = []
    for interval, written in stems.items():
        listed = ", ".join(f'"{each}"' for each in dict.fromkeys(written))
        lines += [f"[indicators.{name}_{interval}]", f"list = [{listed}]",
                  f'intervals = ["{interval}"]']  # fmt: skip
    sets = [*instrument.indicators, *(f"{name}_{interval}" for interval in stems)]
    listed = ", ".join(f'"{each}"' for each in sets)
    return "\n".join([*lines, f"[instruments.{symbol}]", f"indicators = [{listed}]"])


def _written(stem: str) -> str:
    """A specification by its key without interval, where that tells."""
    found = parse_stem(stem)
    return stem if found is None else found.written


def _check_windows(needs: Needs, name: str, symbol: str, config: Config) -> None:
    known = config.windows_of(symbol)
    for window in needs.windows:
        if window not in known:
            raise SetupError(
                f"strategy {name} needs the window {window} of {symbol}, which the configuration"
                f" does not have: add [windows.{window}]; it has {', '.join(known) or 'none'}"
            )
