"""Steps of a session: their messages, and what an answer says about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapeline.schemas.config.feed_mapping import StepTable, Wanted, Where
from tapeline.schemas.config.feed_paths import Variable, message_parts, parse_path
from tapeline.streams.feeds.live.mapping.lookups import (
    condition,
    elements,
    is_wanted,
    plain_text,
    root_elements,
)
from tapeline.streams.feeds.live.mapping.rows import as_json
from tapeline.streams.feeds.live.mapping.texts import MessageText, Vocabulary
from tapeline.streams.feeds.live.model import StepAnswer, StepMessage

OTHER = StepAnswer("other")
LONGEST_TEXT = 200
_OF_SYMBOLS = frozenset({"symbols", "symbol", "topics", "topic"})


class Step:
    """One step, compiled.

    Attributes
    ----------
    pace_ms
        Least time between two of its messages.
    """

    def __init__(self, table: StepTable, words: Vocabulary) -> None:
        self.pace_ms = table.pace_ms
        self._message = MessageText(table.send, words)
        self._sends = bool(table.send)
        self._chunk = 1 if self._message.one_symbol else table.chunk
        self._expected = None if not table.expect else _Expected(table.expect, words)
        self._fatal = condition(table.fatal) if table.fatal else None
        self._word = words.symbols.word
        self._secrets = words.secrets

    def messages(self, asked: Sequence[str]) -> list[StepMessage]:
        """Its messages in their order; none: it only waits."""
        if not self._sends:
            return []
        awaits = self._expected is not None
        if not self._message.of_symbols:
            return [StepMessage(self._message.of((), 1), awaits=awaits)]
        return [
            StepMessage(self._message.of(chunk, number), tuple(chunk), awaits, number)
            for number, chunk in enumerate(self._chunks(asked), start=1)
        ]

    def _chunks(self, asked: Sequence[str]) -> list[Sequence[str]]:
        groups: dict[str, list[str]] = {}
        for symbol in asked:
            word = self._word[symbol] if self._message.of_interval else ""
            groups.setdefault(word, []).append(symbol)
        size = self._chunk
        return [
            group[at : at + size] for group in groups.values() for at in range(0, len(group), size)
        ]

    def answer(self, message: StepMessage | None, parsed: Any) -> StepAnswer:
        """What a parsed message says about this step; its elements add up."""
        acknowledged: set[str] = set()
        matches = False
        for element in root_elements(parsed):
            if self._fatal is not None and self._fatal(element, parsed):
                return StepAnswer("fatal", text=self._text(element))
            if self._expected is None:
                continue
            found = self._expected.symbols(element, parsed, message)
            if found is not None:
                matches = True
                acknowledged |= found
        if not matches:
            return OTHER
        if not self._expected or not self._expected.lists:
            return StepAnswer("expected")
        # An answer to another message of the step, or an earlier one, ends nothing.
        asked = acknowledged if message is None else acknowledged.intersection(message.symbols)
        return StepAnswer("expected" if asked else "other", frozenset(acknowledged))

    def knows(self, element: Any, message: Any) -> bool:
        """Whether an element is of the kind that answers this step, to whichever message."""
        if self._fatal is not None and self._fatal(element, message):
            return True
        return self._expected is not None and self._expected.is_of_kind(element, message)

    def _text(self, element: Any) -> str:
        text = as_json(element).decode("utf-8", "replace")
        return self._secrets.hide(text)[:LONGEST_TEXT]


class _Expected:
    """What an answer must hold; names of symbols in it are collected."""

    def __init__(self, where: Where, words: Vocabulary) -> None:
        self._plain: list[tuple[_Values, Callable[[Any], bool]]] = []
        self._numbered: list[_Values] = []
        self._named: list[tuple[_Values, _Names]] = []
        for path, wanted in where:
            variable = _variable(wanted)
            if variable == "id":
                self._numbered.append(_values(path))
            elif variable in _OF_SYMBOLS:
                self._named.append((_values(path), _Names(str(wanted[0]), words)))
            else:
                self._plain.append((_values(path), is_wanted(wanted)))
        self.lists = bool(self._named)
        self._all = frozenset(words.symbols.theirs)

    def is_of_kind(self, element: Any, message: Any) -> bool:
        """Whether all plain values stand there; without any, whether the others have a value."""
        if self._plain:
            return self._holds(element, message)
        others = [*self._numbered, *(values for values, _ in self._named)]
        return all(values(element, message) for values in others)

    def _holds(self, element: Any, message: Any) -> bool:
        return all(
            any(test(value) for value in values(element, message)) for values, test in self._plain
        )

    def symbols(
        self, element: Any, message: Any, asked: StepMessage | None
    ) -> frozenset[str] | None:
        """Symbols that an element acknowledges; None: it is another message."""
        if not self._holds(element, message):
            return None
        number = "" if asked is None else str(asked.number)
        for values in self._numbered:
            found = [plain_text(value) for value in values(element, message)]
            if not found or (number and number not in found):
                return None
        found_symbols = self._all
        for values, names in self._named:
            found_symbols = found_symbols & names.of(values(element, message))
        return None if self._named and not found_symbols else found_symbols


_Values = Callable[[Any, Any], list[Any]]


def _values(text: str) -> _Values:
    """Values at a path that may lead to many; a list at its end counts as its elements."""
    path = parse_path(text)
    walk = elements(path)

    def find(element: Any, message: Any) -> list[Any]:
        found = [value for value, _ in walk(message if path.of_message else element)]
        if not found and element is not message:
            found = [value for value, _ in walk(message)]
        return [each for value in found for each in (value if type(value) is list else [value])]

    return find


def _variable(wanted: Wanted) -> str | None:
    if len(wanted) != 1 or not isinstance(wanted[0], str):
        return None
    found = [part.name for part in message_parts(wanted[0]) if isinstance(part, Variable)]
    return found[0] if len(found) == 1 else None


class _Names:
    """Symbols by what an answer calls them, such as ``subscribed to: AM.ACME``."""

    def __init__(self, text: str, words: Vocabulary) -> None:
        parts = message_parts(text)
        (variable,) = (part for part in parts if isinstance(part, Variable))
        of_topics = variable.name.startswith("topic")
        names = words.topics.of if of_topics else words.symbols.theirs
        at = parts.index(variable)
        before = "".join(str(part) for part in parts[:at])
        after = "".join(str(part) for part in parts[at + 1 :])
        self._ours = {f"{before}{name}{after}": symbol for symbol, name in names.items()}

    def of(self, values: list[Any]) -> frozenset[str]:
        found = (self._ours.get(plain_text(value) or "") for value in values)
        return frozenset(symbol for symbol in found if symbol is not None)
