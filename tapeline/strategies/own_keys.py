"""Own keys of the shipped strategies, from the table of a strategy in the configuration."""

from __future__ import annotations

from fractions import Fraction

from tapeline import Setup


def check_keys(setup: Setup, known: tuple[str, ...]) -> None:
    """Refuse a key that the strategy does not have.

    Raises
    ------
    ValueError
        Naming it.
    """
    for key in setup.settings:
        if key not in known:
            raise ValueError(f"{key}: is none of its keys: {', '.join(known)}")


def whole(setup: Setup, key: str, default: int) -> int:
    """A whole number above 0.

    Raises
    ------
    ValueError
        When it is something else.
    """
    value = setup.settings.get(key, default)
    if type(value) is not int or value < 1:
        raise ValueError(f"{key} = {value!r}: must be a whole number above 0")
    return value


def lots(setup: Setup, default: int | None) -> int | None:
    """The quantity of its signals; None: that of the account."""
    if default is None and "quantity" not in setup.settings:
        return None
    return whole(setup, "quantity", default or 1)


def level(setup: Setup, key: str, default: float) -> float:
    """A number above 0 and below 100.

    Raises
    ------
    ValueError
        When it is something else.
    """
    value = setup.settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 100:
        raise ValueError(f"{key} = {value!r}: must be a number between 0 and 100")
    return float(value)


def text(setup: Setup, key: str, default: str) -> str:
    """A text, such as the name of an interval.

    Raises
    ------
    ValueError
        When it is something else.
    """
    value = setup.settings.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} = {value!r}: must be a text")
    return value


def in_ticks(price: float, tick: Fraction) -> int:
    """A price on the tick as a number of ticks."""
    return round(Fraction(repr(price)) / tick)
