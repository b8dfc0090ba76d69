"""Keywords of a replay in Python: one that cannot be heeded is named, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.bounds import Bound, parse_offsets
from tapeline.replay.compare.runs import ParityOptions
from tapeline.replay.fold import Selection, selected
from tapeline.replay.options import bound_of, options_of
from tapeline.replay.run import Replay
from tapeline.schemas.config.model import built_in_config

CONFIG = built_in_config()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"end": "2025-12-09"}, "end: is no keyword of a replay; there are start, stop, symbols"),
        ({"symbols": "ES"}, r"symbols='ES': give a list of names, \['ES'\]"),
        ({"groups": "ES-NQ"}, "groups='ES-NQ': give a list of names"),
        ({"start": 1.5}, "start=1.5: give a session date or an ISO time as text, whole millis"),
        ({"stop": True}, "stop=True: give"),
        ({"stop": date(2025, 12, 9)}, "stop=datetime.date"),
    ],
)
def test_a_keyword_that_cannot_be_heeded_is_a_type_error(
    keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Replay.files(CONFIG, [("ES", "es.csv")], **keywords)


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        (
            lambda each: Replay.files(CONFIG, each),
            "es.csv",
            r"inputs='es.csv': give a list of files",
        ),
        (lambda each: Replay.files(CONFIG, each), Path("es.csv"), "es.csv.*: give a list of files"),
        (lambda each: selected(CONFIG, each, ()), "ES", "symbols='ES': give a list of names"),
        (lambda each: selected(CONFIG, (), each), "ES-NQ", "groups='ES-NQ': give a list of names"),
        (lambda each: Selection(groups=each), "ES-NQ", "groups='ES-NQ': give a list of names"),
        (lambda each: parse_offsets("--stop", each), "12", "--stop='12': give a list of names"),
        (lambda each: ParityOptions(types=each), "touch", "types='touch': give a list of names"),
        (lambda each: ParityOptions(symbols=each), "ES", "symbols='ES': give a list of names"),
    ],
)
def test_one_text_instead_of_a_list_is_a_type_error(
    call: Callable[[Any], object], given: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call(given)


def test_keywords_mean_what_their_names_mean() -> None:
    instant = datetime(2025, 12, 9, tzinfo=UTC)
    assert bound_of("start", instant) == bound_of("start", 1_765_238_400_000)
    assert bound_of("start", instant) == bound_of("start", "2025-12-09T00:00:00Z")
    assert bound_of("stop", Bound(offsets={0: 3})) == Bound(offsets={0: 3})
    options = options_of(CONFIG, {"symbols": ["ES"], "warmup_sessions": 2})
    assert options.selection.groups == frozenset({"ES-NQ"})
    assert options.warmup_sessions == 2
