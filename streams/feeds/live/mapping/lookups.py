"""Paths compiled into functions. What is missing and what is null are both None."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from tapeline.schemas.config.feed_mapping import Comparison, Wanted, Where
from tapeline.schemas.config.feed_paths import Path, PathStep, parse_path

Lookup = Callable[[Any], Any]
"""The value at a path of an element, None where there is none."""
LookupAround = Callable[[Any, Any], Any]
"""The value at a path of an element, or of the message around it."""
Test = Callable[[Any, Any], bool]
"""Whether an element and the message around it hold what a table of paths wants."""


def lookup(path: Path) -> Lookup:
    """Function from a value to what stands at a path of one value."""
    steps = path.steps
    if not steps:
        return lambda value: value
    if len(steps) == 1:
        return _one_step(steps[0])
    first = _one_step(steps[0])
    rest = lookup(Path(path.text, False, steps[1:]))

    def find(value: Any) -> Any:
        found = first(value)
        return None if found is None else rest(found)

    return find


def _one_step(step: PathStep) -> Lookup:
    if step.kind == "name":
        name = step.name
        return lambda value: value.get(name) if type(value) is dict else None
    place = step.place

    def at_place(value: Any) -> Any:
        return value[place] if type(value) is list and place < len(value) else None

    return at_place


def field(text: str) -> LookupAround:
    """Look-up of a field in the element alone, or in the message where the path says ``$``."""
    path = parse_path(text)
    find = lookup(path)
    if path.of_message:
        return lambda element, message: find(message)
    if len(path.steps) == 1 and path.steps[0].kind == "name":
        # By far the most common, and five of them a bar: one call instead of two.
        name = path.steps[0].name
        return lambda element, message: element.get(name) if type(element) is dict else None
    return lambda element, message: find(element)


def field_around(text: str) -> LookupAround:
    """Look-up in the element first, then in the message."""
    path = parse_path(text)
    find = lookup(path)
    if path.of_message:
        return lambda element, message: find(message)

    def around(element: Any, message: Any) -> Any:
        found = find(element)
        if found is None and element is not message:
            return find(message)
        return found

    return around


def elements(path: Path) -> Callable[[Any], Iterator[tuple[Any, str | None]]]:
    """Function from a message to what stands at a path of many, each with its ``{symbol}``."""
    steps = path.steps

    def walk(value: Any, at: int, name: str | None) -> Iterator[tuple[Any, str | None]]:
        if at == len(steps):
            if value is not None:
                yield value, name
            return
        step = steps[at]
        if step.kind == "each":
            if type(value) is list:
                for each in value:
                    yield from walk(each, at + 1, name)
        elif step.kind in ("symbol", "any"):
            if type(value) is dict:
                for key, each in value.items():
                    yield from walk(each, at + 1, key if step.kind == "symbol" else name)
        else:
            yield from walk(_one_step(step)(value), at + 1, name)

    return lambda message: walk(message, 0, None)


def elements_of(paths: Sequence[str]) -> Callable[[Any], Iterator[tuple[Any, str | None]]]:
    """The same for several paths, one after the other."""
    walks = [elements(parse_path(path)) for path in paths]
    if len(walks) == 1:
        return walks[0]
    return lambda message: chain.from_iterable(walk(message) for walk in walks)


def plain_text(value: Any) -> str | None:
    """The text of a name: numbers count as their text, truth values and tables as none."""
    if type(value) is str:
        return value
    return str(value) if type(value) is int else None


def is_wanted(wanted: Wanted) -> Callable[[Any], bool]:
    """Whether a value is one of some; a number equals its text, a truth value itself alone."""
    texts = frozenset(each for each in wanted if isinstance(each, str))
    flags = frozenset(each for each in wanted if isinstance(each, bool))

    def test(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return value in texts
        if kind is bool:
            return value in flags
        return kind is int and str(value) in texts

    return test


def comparison(table: Comparison) -> Test:
    """Whether an element has one of some values at a path."""
    find, test = field(table.path), is_wanted(table.equals)
    return lambda element, message: test(find(element, message))


def condition(where: Where) -> Test:
    """Whether an element, or the message around it, holds all of a table; an empty one: always."""
    parts = [(field_around(path), is_wanted(wanted)) for path, wanted in where]
    if not parts:
        return lambda element, message: True
    if len(parts) == 1:
        find, test = parts[0]
        return lambda element, message: test(find(element, message))

    (first, is_first), rest = parts[0], parts[1:]

    def holds(element: Any, message: Any) -> bool:
        return is_first(first(element, message)) and all(
            test(find(element, message)) for find, test in rest
        )

    return holds


def root_elements(message: Any) -> list[Any]:
    """What notices and answers are looked for in: each of a list, or the message.

    A list that begins with a name or a number is one thing of several fields, such as
    ``["halt", "ACME"]``.
    """
    if type(message) is not list:
        return [message]
    return message if not message or type(message[0]) in (dict, list) else [message]
