"""Paths into the messages of a feed, and texts with variables: their grammar, without any data."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

PATH_RULE = 'a path such as "k.t", "data[*]" or "bars.{symbol}[*]"'
ONE_VALUE_RULE = 'a path of one value such as "k.t", "[1]" or "$.type"'

StepKind = Literal["name", "place", "each", "symbol", "any"]

_NAME = re.compile(r'[^.\[\]{}"$]+|"(?P<quoted>[^"]+)"')
_INDEX = re.compile(r"\[(?P<place>[0-9]{1,6}|\*)\]")
_KEY = re.compile(r"\{(?P<word>symbol|any)\}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_MESSAGE_VARIABLE = re.compile(r"\$\{(?P<inside>[^{}]*)\}")
_ADDRESS_VARIABLE = re.compile(r"\$?\{(?P<inside>[^{}]*)\}")


class PathStep(Struct, frozen=True):
    """One step: a ``name`` of an object, a ``place`` in a list, or every one there is."""

    kind: StepKind
    name: str = ""
    place: int = 0


class Path(Struct, frozen=True):
    """A path, taken apart.

    Attributes
    ----------
    of_message
        Whether it starts at the message even where there are elements of one.
    """

    text: str
    of_message: bool
    steps: tuple[PathStep, ...]

    @property
    def is_of_one_value(self) -> bool:
        """Whether it leads to one value at most."""
        return all(step.kind in ("name", "place") for step in self.steps)


def parse_path(text: str) -> Path:
    """A path of its text; "" or "$" is the message itself.

    Raises
    ------
    ValueError
        When it is none: `PATH_RULE`.
    """
    rest = text
    of_message = rest == "$" or rest.startswith(("$.", "$["))
    if of_message:
        rest = rest[1:].removeprefix(".")
    steps: list[PathStep] = []
    begun = False
    while rest:
        if begun and rest[0] == ".":
            rest = rest[1:]
            step, rest = _key_step(rest, text)
        elif rest[0] == "[":
            step, rest = _list_step(rest, text)
        elif not begun:
            step, rest = _key_step(rest, text)
        else:
            raise ValueError(f"{text!r} is no path")
        steps.append(step)
        begun = True
    kinds = [step.kind for step in steps]
    if any(kinds.count(kind) > 1 for kind in ("each", "symbol", "any")):
        raise ValueError(f"{text!r} has [*] or a key of any name twice")
    return Path(text, of_message, tuple(steps))


def _key_step(rest: str, text: str) -> tuple[PathStep, str]:
    key = _KEY.match(rest)
    if key is not None:
        kind: StepKind = "symbol" if key["word"] == "symbol" else "any"
        return PathStep(kind), rest[key.end() :]
    name = _NAME.match(rest)
    if name is None:
        raise ValueError(f"{text!r} is no path")
    return PathStep("name", name["quoted"] or name[0]), rest[name.end() :]


def _list_step(rest: str, text: str) -> tuple[PathStep, str]:
    index = _INDEX.match(rest)
    if index is None:
        raise ValueError(f"{text!r} is no path")
    if index["place"] == "*":
        return PathStep("each"), rest[index.end() :]
    return PathStep("place", place=int(index["place"])), rest[index.end() :]


class Variable(Struct, frozen=True):
    """A variable of a text: its name, and what follows the colon (None: there is none)."""

    name: str
    form: str | None = None

    @property
    def is_secret(self) -> bool:
        """Whether the environment, or the file of secrets, has it."""
        return _SECRET.fullmatch(self.name) is not None


TextPart = str | Variable


def message_parts(text: str) -> tuple[TextPart, ...]:
    """A message as its literal parts and its variables ``${name}`` or ``${name:form}``."""
    return tuple(_parts(text, _MESSAGE_VARIABLE))


def address_parts(text: str) -> tuple[TextPart, ...]:
    """An address as its literal parts and its variables: ``{name}``, secrets ``${NAME}``.

    ``${symbols}`` is the same as ``{symbols}`` here.
    """
    return tuple(_parts(text, _ADDRESS_VARIABLE))


def _parts(text: str, pattern: re.Pattern[str]) -> list[TextPart]:
    parts: list[TextPart] = []
    end = 0
    for match in pattern.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        name, colon, form = match["inside"].partition(":")
        parts.append(Variable(name, form if colon else None))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return parts


def secret_names(text: str) -> tuple[str, ...]:
    """Names of the secrets that a text needs, in their order, each once."""
    found = (part.name for part in message_parts(text) if isinstance(part, Variable))
    return tuple(dict.fromkeys(name for name in found if _SECRET.fullmatch(name)))
