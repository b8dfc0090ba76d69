"""The page docs/indicators.md: how indicators behave, and each of them, made from their table."""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.schemas.indicators.counts import BY_EVENTS, first_count, warm_count
from tapeline.schemas.indicators.kinds import IndicatorKind, Parameter
from tapeline.schemas.indicators.specification import Specification, parse_specification
from tapeline.schemas.indicators.table import INDICATORS

_INTRODUCTION = """\
# Indicators

This page is generated from the table of indicators by `make schemas`. How sets of them are
configured is in [configuration](configuration.md), what their rows hold in [events](events.md),
how they are published and corrected in [the rules](rules.md).

An indicator is a function of the bars of its interval that lie in session: no bar is made up for
one that is missing, and the bar before is the last one that is there. It is computed in whole
ticks and never rounded on the way; prices are scaled to the tick at the end.

| class | its values |
|---|---|
| E | exact: a fraction of whole numbers, rounded once to the nearest double |
| Q | exact but for one square root |
| R | recursive: doubles in a fixed order, near to 1e-12 of what they are made of |
| X | needs a logarithm; as R |

- **Cold**: fewer bars than its first value needs; the value is null, and `cold` lists its key.
- **Warming**: it has a value, but may still show where history began; `warming` lists its key.
  Two histories that begin on different days agree to the bit in all keys that are neither. Bars
  are counted from the first one that began in history: exact ones are warm with their first
  value, recursive ones twice K bars later. K of an average whose share of a bar is a, `ema(n)`
  with a = 2 / (n + 1) and `wilder(n)` with a = 1 / n, is the least whole number from ln(2^53) /
  -ln(1 - a) on.
- **Near is equal**: after each step of an average towards a value, if nothing changed or less
  than 2^-30 tick lies between, it is that value. So the beginning of history ends to show in a
  market that stands still, too, and its rsi becomes 50, its atr 0, exactly.
- **0 / 0** has a neutral value where there is one, as below. A null beyond the cold bars is none:
  the indicator has no value there.
- **Elsewhere** names how libraries differ; pandas-ta is pandas-ta-classic 0.8.32 without TA-Lib.
  Over 1,500 random bars in ticks the others that it has agree with it from their first value on,
  but for the last digits of doubles: the averages, macd, rsi, cci, roc, mom, williams_r, aroon,
  atr, stddev, donchian, adx, ichimoku. Its vwap begins with the day of the index.
- **A change far back** is published as far as it shows. One ten sessions back, under an
  `ema(200)` on 1m, changes up to 13,800 rows, 10 MB, and keeps as many revisions (a close that
  moves by 25 points: 2,534 rows, 1 MB, at twice the cost without indicators; BENCHMARKS.md);
  `publish = "latest"` is the way out.

## How one is named

`name`, or `name(arguments)`: periods in the order of its table below, then `word=value`. `key=`
gives a key of one's own, and `of=` follows another indicator of the set instead of closes, in the
same interval: the key of that one without its interval, such as `rsi_14`, with `.signal` behind
it for one of several values. Its input are the published values, so it is near at best, and
nothing is scaled; it is cold until it has its own first count of them, and its warming begins
when that of the other one ends. An indicator that may be null between two values (`swing_high`,
`swing_low`, `rvol`, `histvol`) is followed by none.

The key is name, periods (and the multiplier of `supertrend`), what is not the default behind its
mark, `of`, interval: `sma_20_5m`, `bbands_20_k3_5m`, `rsi_14_simple_5m`, `supertrend_10_2p5_15m`,
`sma_5_of_rsi_14_5m`. A decimal point is a `p`. Several values follow behind a dot:
`macd_12_26_9_5m.signal`.

In formulas, o, h, l, c, v are open, high, low, close and volume of the bar, c1 is the close
before and c_n that of n bars before; S() sums over the last n bars, HH is their highest high and
LL their lowest low. A volume that is not known counts as 0, and a row tells in `null_volumes` how
many there were.

| indicator | class | first value | warm after | with defaults: first, warm |
|---|---|---|---|---|
"""

_ON = {
    "any": "",
    "days": "On 1d alone.",
    "below_weeks": "Not on 1w.",
}


def indicators_page() -> str:
    """Markdown text of the page."""
    lines = [_summary(kind) for kind in INDICATORS.values()]
    parts = [_INTRODUCTION + "\n".join(lines) + "\n"]
    parts += [_section(kind) for kind in INDICATORS.values()]
    return "\n".join(parts).rstrip("\n") + "\n"


def example(kind: IndicatorKind) -> Specification:
    """An indicator with its defaults, and 14 bars where a period has none."""
    given = [f"{each.name}=14" for each in kind.parameters if each.default is None]
    return parse_specification(f"{kind.name}({', '.join(given)})")


def _summary(kind: IndicatorKind) -> str:
    made = example(kind)
    first, warm = first_count(made), warm_count(made)
    counts = "" if first == BY_EVENTS else str(first)
    if warm != BY_EVENTS:
        counts = f"{first}, {warm}"
    return (
        f"| [{kind.name}](#{kind.name}) | {kind.arithmetic} | {kind.first} |"
        f" {kind.warm or '-'} | {counts} |"
    )


def _section(kind: IndicatorKind) -> str:
    made = example(kind)
    lines = [f"## {kind.name}\n", f"{_sentence(kind.formula)}\n"]
    if kind.parameters:
        lines += ["| parameter | default | allowed | in the key |", "|---|---|---|---|"]
        lines += [_parameter(each) for each in kind.parameters]
        lines.append("")
    lines += [f"- {each}" for each in _facts(kind)]
    keys = ", ".join(f"`{key}`" for key in made.keys("1d" if kind.on == "days" else "5m"))
    lines.append(f"- `{made.written}`: {keys}.\n")
    return "\n".join(lines)


def _parameter(each: Parameter) -> str:
    in_key = (
        "always" if each.always else f"`{each.mark}` and its value" if each.mark else "the word"
    )
    if not each.always:
        in_key += " if not the default"
    default = "must be given" if each.default is None else f"`{each.default}`"
    return f"| `{each.name}` | {default} | {each.allowed} | {in_key} |"


def _facts(kind: IndicatorKind) -> Iterable[str]:
    warm = f"; warm after {kind.warm}" if kind.warm else ""
    yield f"Class {kind.arithmetic}; first value: {kind.first}{warm}; kept: {kind.state}."
    if kind.neutral:
        yield f"Without a ratio: {kind.neutral}."
    if kind.differs:
        yield f"Elsewhere: {kind.differs}."
    if kind.on != "any":
        yield _ON[kind.on]
    if kind.volume != "none":
        bars = "the last n bars" if kind.volume == "window" else "the bars since its anchor"
        yield f"Volumes that it holds: those of {bars}."
    if kind.closes:
        yield "It looks at closes alone, so `of=` may give it another indicator."


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "." if text[0].isalpha() and " " in text[:6] else f"{text}."
