"""How a configuration names an indicator: ``name``, or ``name(args)``, and the key that follows.

Arguments are periods in the order of the table, then ``word=value``. ``sma(5, of=rsi_14)`` follows
the values of another specification of its set instead of closes; ``key=`` gives an own key.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from msgspec import Struct

from tapeline.schemas.indicators.kinds import LONGEST_PERIOD, IndicatorKind, Parameter
from tapeline.schemas.indicators.table import INDICATORS

FACTOR_LIMIT = 1_000_000
FACTOR_DECIMALS = 9

Argument = int | str

_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{0,9}\.?[0-9]{0,12}", re.ASCII)
_OWN_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_OF = re.compile(r"[a-z][a-z0-9_.]{0,255}", re.ASCII)


class Specification(Struct, frozen=True):
    """An indicator with its parameters; it has no interval, and a set of them gives one each.

    Attributes
    ----------
    name
        Row of the table.
    arguments
        Values of the parameters in the order of the table: whole numbers, decimals as their
        shortest text, words.
    of
        Key without interval of what it follows instead of closes, with the name of one of its
        values behind a dot where it has several; "" for closes.
    own_key
        Key that replaces the one made of name and parameters; "" for none.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    of: str = ""
    own_key: str = ""

    @property
    def kind(self) -> IndicatorKind:
        """Row of the table."""
        return INDICATORS[self.name]

    def whole(self, name: str) -> int:
        """Value of a period."""
        value = self._argument(name)
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """Value of a parameter that is no period: a word, or a decimal as its shortest text."""
        value = self._argument(name)
        assert isinstance(value, str)
        return value

    def _argument(self, name: str) -> Argument:
        for parameter, value in zip(self.kind.parameters, self.arguments, strict=True):
            if parameter.name == name:
                return value
        raise KeyError(f"{self.name} has no parameter {name}")

    @property
    def stem(self) -> str:
        """Key without interval: what ``of`` of another one names."""
        if self.own_key:
            return self.own_key
        parts = [self.name]
        for parameter, value in zip(self.kind.parameters, self.arguments, strict=True):
            text = str(value).replace(".", "p")
            if parameter.always:
                parts.append(text)
            elif str(value) != parameter.default:
                parts.append(parameter.mark + text)
        if self.of:
            parts.append(f"of_{self.of}")
        return "_".join(parts)

    def key(self, interval: str) -> str:
        """Key in an interval, such as ``rsi_14_5m``."""
        return f"{self.stem}_{interval}"

    def keys(self, interval: str) -> tuple[str, ...]:
        """Keys of its values in an interval, in the order of the table."""
        key = self.key(interval)
        return tuple(f"{key}.{value}" for value in self.kind.values) or (key,)

    @property
    def written(self) -> str:
        """The specification as a configuration gives it, parameters that are not the default."""
        given = []
        for parameter, value in zip(self.kind.parameters, self.arguments, strict=True):
            if parameter.positional and parameter.always:
                given.append(str(value))
            elif str(value) != parameter.default:
                given.append(f"{parameter.name}={value}")
        given += [f"of={self.of}"] if self.of else []
        given += [f"key={self.own_key}"] if self.own_key else []
        return f"{self.name}({', '.join(given)})" if given else self.name


def parse_specification(text: str) -> Specification:
    """Specification of a text such as ``macd(12, 26, 9)`` or ``bbands(20, num_std=3)``.

    Raises
    ------
    ValueError
        Naming the text and what is allowed.
    """
    matched = _CALL.fullmatch(text)
    if matched is None:
        raise ValueError(f'{text!r} is no indicator such as "sma(20)" or "macd"')
    name, inside = matched[1], matched[2]
    kind = INDICATORS.get(name)
    if kind is None:
        raise ValueError(f"{text!r}: no indicator {name!r}; there are {', '.join(INDICATORS)}")
    given = [] if inside is None or not inside.strip() else inside.split(",")
    values, of, own_key = _given(text, kind, [each.strip() for each in given])
    arguments = tuple(_value(text, each, values.get(each.name)) for each in kind.parameters)
    made = Specification(name=name, arguments=arguments, of=of, own_key=own_key)
    _check_order(text, made)
    return made


def _given(text: str, kind: IndicatorKind, given: list[str]) -> tuple[dict[str, str], str, str]:
    """Texts of the parameters by name, `of` and `key` ("" where not given)."""
    positional = [each.name for each in kind.parameters if each.positional]
    known = [*(each.name for each in kind.parameters), *(["of"] if kind.closes else []), "key"]
    values: dict[str, str] = {}
    named = False
    for position, each in enumerate(given):
        word, equals, value = (part.strip() for part in each.partition("="))
        if equals:
            named = True
        elif named:
            raise ValueError(f"{text!r}: {each!r} comes after a word; give its name, too")
        elif position >= len(positional):
            raise ValueError(f"{text!r}: {each!r} is one too many; {_parameters(kind)}")
        else:
            word, value = positional[position], each
        if word == "of" and word not in known:
            raise ValueError(
                f"{text!r}: of= is for indicators of closes alone: "
                f"{', '.join(other.name for other in INDICATORS.values() if other.closes)}"
            )
        if word not in known:
            raise ValueError(f"{text!r}: no parameter {word!r}; {_parameters(kind)}")
        if word in values:
            raise ValueError(f"{text!r}: {word} is given twice")
        values[word] = value
    of, own_key = values.get("of", ""), values.get("key", "")
    if "of" in values and not _OF.fullmatch(of):
        raise ValueError(f"{text!r}: of={of!r} is no key without interval, such as rsi_14")
    if "key" in values and not _OWN_KEY.fullmatch(own_key):
        raise ValueError(
            f"{text!r}: key={own_key!r} is not 1 to 64 of a-z, 0-9 and _, with a letter first"
        )
    return values, of, own_key


def _parameters(kind: IndicatorKind) -> str:
    names = [
        each.name if each.default is None else f"{each.name}={each.default}"
        for each in kind.parameters
    ]
    names += ["of", "key"] if kind.closes else ["key"]
    return f"{kind.name} has {', '.join(names)}"


def _value(text: str, parameter: Parameter, given: str | None) -> Argument:
    """Value of a parameter, given or its default."""
    value = parameter.default if given is None else given
    if value is None:
        raise ValueError(f"{text!r}: {parameter.name} is missing; it is {parameter.allowed}")
    found: Argument | None
    if parameter.form == "period":
        found = int(value) if _WHOLE.fullmatch(value) else None
        if found is not None and not parameter.least <= found <= LONGEST_PERIOD:
            found = None
    elif parameter.form == "word":
        found = value if value in parameter.words else None
    else:
        found = _decimal(value, least_open=parameter.form == "factor")
    if found is None:
        raise ValueError(f"{text!r}: {parameter.name} = {value!r} is not {parameter.allowed}")
    return found


def _decimal(text: str, least_open: bool) -> str | None:
    """Shortest text of a decimal in its range."""
    try:
        number = Decimal(text) if _DECIMAL.fullmatch(text) else None
    except InvalidOperation:
        number = None
    if number is None or number >= FACTOR_LIMIT or (least_open and number == 0):
        return None
    if number != number.quantize(Decimal(1).scaleb(-FACTOR_DECIMALS)):
        return None
    return shortest(number)


def shortest(number: Decimal) -> str:
    """Shortest text of a decimal without an exponent."""
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text.lstrip("0") or "0"


def _check_order(text: str, made: Specification) -> None:
    """Raise `ValueError` where parameters contradict each other."""
    names = made.kind.ascending
    periods = [made.whole(name) for name in names]
    if any(later <= earlier for earlier, later in pairwise(periods)):
        raise ValueError(f"{text!r}: {' < '.join(names)} is asked for")
    if made.name == "psar":
        step, maximum = Decimal(made.text("step")), Decimal(made.text("maximum"))
        if not step <= maximum <= 1:
            raise ValueError(f"{text!r}: 0 < step <= maximum <= 1 is asked for")


def check_interval(made: Specification, interval: str) -> None:
    """Raise `ValueError` where an indicator makes no sense in an interval.

    Parameters
    ----------
    interval
        Normalised name.
    """
    on = made.kind.on
    if on == "days" and interval != "1d":
        raise ValueError(f"{made.written!r} on {interval}: it is allowed on 1d alone")
    if on == "below_weeks" and interval == "1w":
        raise ValueError(f"{made.written!r} on {interval}: it is allowed on intervals below 1w")
    if interval in ("1d", "1w") and "session" in made.arguments:
        raise ValueError(
            f"{made.written!r} on {interval}: it would begin anew with each bar; allowed are"
            " intervals below 1d, or anchor=history"
        )


def parse_stem(text: str) -> Specification | None:
    """The specification whose key without interval a text is; None where it is that of none.

    Own keys are not known here.
    """
    for kind in INDICATORS.values():
        if text != kind.name and not text.startswith(f"{kind.name}_"):
            continue
        own, _, of = text.partition("_of_")
        found = _from_tokens(kind, own.removeprefix(kind.name).split("_")[1:], of)
        if found is not None and found.stem == text:
            return found
    return None


def _from_tokens(kind: IndicatorKind, tokens: list[str], of: str) -> Specification | None:
    given: list[str] = []
    rest = tokens
    for parameter in kind.parameters:
        if not rest:
            break
        token = rest[0].replace("p", ".") if parameter.form in ("factor", "level") else rest[0]
        if parameter.always or (parameter.form == "word" and token in parameter.words):
            value = token
        elif parameter.mark and token.startswith(parameter.mark):
            value = token.removeprefix(parameter.mark)
        else:
            continue
        given.append(f"{parameter.name}={value}")
        rest = rest[1:]
    if rest:
        return None
    given += [f"of={of}"] if of else []
    try:
        return parse_specification(f"{kind.name}({', '.join(given)})")
    except ValueError:
        return None
