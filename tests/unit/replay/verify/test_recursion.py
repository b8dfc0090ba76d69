"""From which bar on values of indicators do not depend on the start: as measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.files import FileSource
from tapeline.replay.verify.recursion import (
    KeyRecursion,
    RecursionReport,
    add_run,
    check_recursion,
)
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.documents.examples import event_examples
from tapeline.schemas.events import Indicators
from tapeline.schemas.indicators.counts import warm_count
from tapeline.schemas.indicators.specification import parse_specification
from tapeline.streams.calendars import load_calendar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import sample_book

CONFIG = read_config(
    '[indicators.own]\nlist = ["sma(3)", "ema(4)", "ema(40)"]\nintervals = ["5m"]\n'
    'publish = "latest"\n[instruments.ES]\nindicators = ["own"]\n',
    "own",
)


async def test_exact_and_recursive_averages_are_equal_from_where_they_say_so(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.jsonl"
    book = sample_book("ES", load_calendar("CME_EQUITY"), "2025-11-24", 3, 7)
    log.write_bytes(b"".join(encode(bar) + b"\n" for bar in book))
    source = lambda: FileSource(CONFIG, [Source(str(log))])  # noqa: E731
    report = await check_recursion(CONFIG, source, ReplayOptions(), starts=2)
    assert report.clean
    assert report.starts == {"ES": ["2025-11-25", "2025-11-26"]}
    keys = {each.key: each for each in report.keys}
    assert keys["sma_3_5m"] == KeyRecursion("ES", "5m", "sma_3_5m", 552, 3, 3, 0, 0)
    average = keys["ema_4_5m"]
    assert average.equal_from is not None
    assert 20 < average.equal_from < (average.warm_from or 0) == 148
    # Neither of the two starts has the bars that it needs.
    assert (keys["ema_40_5m"].warm_from, keys["ema_40_5m"].unequal) == (None, 2)
    assert warm_count(parse_specification("ema(40)")) > 552


async def test_what_has_no_indicators_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    book = list(sample_book("NQ", load_calendar("CME_EQUITY"), "2025-11-24", 2, 7))
    log.write_bytes(b"".join(encode(bar) + b"\n" for bar in book))
    with pytest.raises(InputError, match="no symbol of it has indicators"):
        await check_recursion(
            CONFIG, lambda: FileSource(CONFIG, [Source(str(log))]), ReplayOptions(), 2
        )


def rows(*values: float, warming: tuple[str, ...] = ()) -> list[Indicators]:
    example = event_examples()["indicators"]
    assert isinstance(example, Indicators)
    return [
        replace(example, values={"k": value}, cold=(), warming=warming if at == 0 else ())
        for at, value in enumerate(values)
    ]


def test_a_value_that_differs_and_is_not_warming_is_counted() -> None:
    found = KeyRecursion("ES", "5m", "k")
    add_run(found, rows(1.0, 2.0, 3.0, warming=("k",)), rows(0.5, 2.0, 3.0))
    assert (found.bars, found.equal_from, found.warm_from, found.different) == (3, 2, 2, 0)
    assert RecursionReport([found], {}).clean
    add_run(found, rows(1.0, 2.5, 3.0, 4.0, warming=("k",)), rows(1.0, 2.0, 3.0, 4.0))
    assert (found.bars, found.equal_from, found.warm_from, found.different) == (4, 3, 2, 1)
    assert not RecursionReport([found], {}).clean


def test_a_key_that_differs_at_the_end_of_a_run_never_became_equal() -> None:
    found = KeyRecursion("ES", "5m", "k")
    add_run(found, rows(1.0, 2.0), rows(1.0, 2.5))
    assert (found.equal_from, found.unequal) == (None, 1)
    add_run(found, rows(1.0, 2.0), rows(0.5, 2.0))
    assert (found.equal_from, found.unequal) == (2, 1)
