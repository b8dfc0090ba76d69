"""Addresses and messages made of their parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from tapeline.schemas.config.feed_paths import TextPart, Variable, address_parts, message_parts
from tapeline.streams.feeds.live.mapping.rows import Symbols
from tapeline.streams.feeds.live.secrets import Secrets

Fill = Callable[[Variable], str]


class Topics:
    """What symbols are called in subscriptions.

    Parameters
    ----------
    topic
        Text with ``{symbol}``, ``{interval}`` and parameters.
    parameters
        Own variables; secrets stand in them by name.
    """

    def __init__(self, topic: str, symbols: Symbols, parameters: dict[str, str]) -> None:
        parts = address_parts(topic)
        self.of: dict[str, str] = {}
        for symbol, theirs in symbols.theirs.items():
            values = {**parameters, "symbol": theirs, "interval": symbols.word[symbol]}
            self.of[symbol] = joined(parts, partial(cased, values))


class Vocabulary(NamedTuple):
    """What variables of texts stand for."""

    symbols: Symbols
    topics: Topics
    parameters: dict[str, str]
    secrets: Secrets


def cased(values: dict[str, str], part: Variable) -> str:
    """The value of a variable in the form that it asks for."""
    value = values[part.name]
    if part.form == "lower":
        return value.lower()
    return value.upper() if part.form == "upper" else value


def joined(parts: Sequence[TextPart], fill: Fill) -> str:
    """A text of its parts."""
    return "".join(part if isinstance(part, str) else fill(part) for part in parts)


def filled(text: str, secrets: Secrets) -> str:
    """A text with its secrets, and no other variables."""
    return joined(message_parts(text), lambda part: secrets.value(part.name))


def filled_address(text: str, secrets: Secrets) -> str:
    """A part of an address with its secrets, and no other variables."""
    return joined(message_parts(text), lambda part: _quoted(secrets.value(part.name)))


class Address:
    """An address with variables, with and without its secrets."""

    def __init__(self, text: str, words: Vocabulary) -> None:
        self._parts = address_parts(text)
        self._words = words
        self.names = frozenset(part.name for part in self._parts if isinstance(part, Variable))

    def of(
        self, asked: Sequence[str], more: dict[str, str] | None = None, *, shown: bool = False
    ) -> str:
        """The address for some symbols.

        Parameters
        ----------
        more
            Values of other variables.
        shown
            Whether names of secrets stand in their places.
        """
        words = self._words
        theirs, topics = words.symbols.theirs, words.topics.of
        values = {**words.parameters, **(more or {})}
        if asked:
            values |= {
                "symbol": theirs[asked[0]],
                "topic": topics[asked[0]],
                "interval": words.symbols.word[asked[0]],
            }

        def fill(part: Variable) -> str:
            if part.is_secret:
                return f"${{{part.name}}}" if shown else _quoted(words.secrets.value(part.name))
            if part.name in ("symbols", "topics"):
                names = theirs if part.name == "symbols" else topics
                between = "," if part.form is None else part.form
                return between.join(_quoted(names[symbol]) for symbol in asked)
            value = cased(values, part)
            if part.name in words.parameters:
                return joined(message_parts(value), fill) if "${" in value else value
            return _quoted(value)

        return joined(self._parts, fill)


def _quoted(text: str) -> str:
    return quote(text, safe="@")


class MessageText:
    """A message of a session with variables.

    Attributes
    ----------
    of_symbols
        Whether it has a variable of symbols.
    one_symbol
        Whether of one alone.
    of_interval
        Whether symbols of one message must have one interval.
    """

    def __init__(self, text: str, words: Vocabulary) -> None:
        self._parts = message_parts(text)
        self._words = words
        names = {part.name for part in self._parts if isinstance(part, Variable)}
        self.one_symbol = bool(names & {"symbol", "topic"})
        self.of_symbols = self.one_symbol or bool(names & {"symbols", "topics"})
        self.of_interval = "interval" in names
        self._is_json = text.lstrip()[:1] in ("{", "[")

    def of(self, asked: Sequence[str], number: int) -> str:
        """The message for some symbols.

        Parameters
        ----------
        number
            Its ``${id}``.
        """
        words = self._words
        theirs, topics = words.symbols.theirs, words.topics.of
        values = {**words.parameters, "id": str(number)}
        if asked:
            values |= {"symbol": theirs[asked[0]], "topic": topics[asked[0]]}
            values["interval"] = words.symbols.word[asked[0]]

        def fill(part: Variable) -> str:
            if part.is_secret:
                return self._inside(words.secrets.value(part.name))
            if part.name in ("symbols", "topics"):
                names = theirs if part.name == "symbols" else topics
                found = [names[symbol] for symbol in asked]
                if part.form is None:
                    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
                return part.form.join(self._inside(name) for name in found)
            return self._inside(cased(values, part))

        return joined(self._parts, fill)

    def _inside(self, text: str) -> str:
        """A text as it stands between the quotes of a JSON string; elsewhere as it is."""
        return json.dumps(text, ensure_ascii=False)[1:-1] if self._is_json else text
