"""A set of indicators: specifications in an order in which each comes after what it follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tapeline.schemas.indicators.kinds import IndicatorKind
from tapeline.schemas.indicators.specification import (
    Specification,
    parse_specification,
    parse_stem,
)


def read_set(texts: Sequence[str]) -> tuple[Specification, ...]:
    """Specifications of a list, and those they follow that it does not name.

    What a specification follows stands before it; otherwise the order is that of the list.

    Raises
    ------
    ValueError
        For a text that is no specification, a key that two of them have, `of` that names none or
        one that may be null between its values, and a cycle.
    """
    listed: dict[str, Specification] = {}
    for text in texts:
        made = parse_specification(text)
        if made.stem in listed:
            raise ValueError(
                f"{text!r}: {listed[made.stem].written!r} of the same list has the key"
                f" {made.stem}, too; leave one out, or give it another key="
            )
        listed[made.stem] = made
    found: dict[str, Specification] = {}
    for made in listed.values():
        _add(made, listed, found, ())
    return tuple(found.values())


def _add(
    made: Specification,
    listed: dict[str, Specification],
    found: dict[str, Specification],
    way: tuple[str, ...],
) -> None:
    """Add a specification to those found, after what it follows."""
    if made.stem in found:
        return
    if made.stem in way:
        raise ValueError(f"of= leads round in a circle: {' -> '.join((*way, made.stem))}")
    if made.of:
        inner, _ = followed(made, listed)
        _add(inner, listed, found, (*way, made.stem))
    found[made.stem] = made


def followed(made: Specification, listed: dict[str, Specification]) -> tuple[Specification, int]:
    """What a specification follows, and the number of the value of it.

    Parameters
    ----------
    listed
        Specifications of its set by key without interval.
    """
    stem, value = made.of, ""
    inner = listed.get(stem) or parse_stem(stem)
    if inner is None:
        stem, _, value = made.of.rpartition(".")
        inner = listed.get(stem) or parse_stem(stem)
    if inner is None:
        raise ValueError(
            f"{made.written!r}: of={made.of} names no indicator; it is a key without interval,"
            " such as rsi_14 or macd_12_26_9.signal"
        )
    kind = inner.kind
    if kind.gaps:
        raise ValueError(
            f"{made.written!r}: {inner.stem} may have no value between two others, so none may"
            " follow it"
        )
    return inner, _position(made, kind, value)


def _position(made: Specification, kind: IndicatorKind, value: str) -> int:
    names = kind.values or ("",)
    if value not in names:
        allowed = ", ".join(kind.values) if kind.values else "none: it has one value"
        raise ValueError(
            f"{made.written!r}: of={made.of} must name a value of {kind.name} behind a dot:"
            f" {allowed}"
        )
    return names.index(value)


def unite(sets: Iterable[Sequence[Specification]]) -> tuple[Specification, ...]:
    """Specifications of several sets, equal ones once.

    Raises
    ------
    ValueError
        When two that differ have one key.
    """
    found: dict[str, Specification] = {}
    for each in sets:
        for made in each:
            other = found.setdefault(made.stem, made)
            if other != made:
                raise ValueError(
                    f"{other.written!r} and {made.written!r} have one key, {made.stem}; give one of"
                    " them another key="
                )
    return tuple(found.values())
