"""Prefixes of a stretch: each a run of its own, and nothing in them is rewritten later."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.replay.bounds import Bound, parse_bound
from tapeline.replay.fold import Selection, selected
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.protocol import LogMissingError
from tapeline.replay.verify.prefixes import Stretch, check_causality
from tests.unit.replay.memory_source import MemorySource
from tests.unit.replay.run.test_stretches import CONFIG, LIVE, LOG

FROM = parse_bound("--from", "2025-11-25T09:00Z")
TO = parse_bound("--to", "2025-11-25T18:00Z")
STRETCHES: dict[str, dict[str, Any]] = {
    "from snapshots": {"start": FROM, "stop": TO},
    "from the beginning": {"start": FROM, "stop": TO, "snapshots": False},
    "with a warm-up": {"start": FROM, "stop": TO, "snapshots": False, "warmup_sessions": 1},
    "of one group": {"start": FROM, "selection": selected(CONFIG, [], ["ES-NQ"])},
    "of one symbol": {"stop": TO, "selection": selected(CONFIG, ["NQ"], [])},
    "as corrected": {"start": FROM, "as_corrected": True},
    "by offsets": {"start": Bound(offsets={0: 100, 1: 50}), "stop": Bound(offsets={2: 300})},
}


def source() -> MemorySource:
    return MemorySource(LOG, LIVE, 1)


@pytest.mark.parametrize("name", STRETCHES)
async def test_no_prefix_of_a_stretch_is_rewritten(name: str) -> None:
    seen: list[int] = []
    options = ReplayOptions(**STRETCHES[name])
    report = await check_causality(CONFIG, source, options, 6, 1, seen.append)
    assert report.clean
    assert report.events > 100
    assert len(report.ends) == 6
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_every_prefix_begins_anew() -> None:
    items = [item async for batch in source().read(dict.fromkeys(LOG, 0)) for item in batch]
    everything = Selection()
    stretch = Stretch(CONFIG, source(), everything, items, dict.fromkeys(LOG, 0), {})
    alone = list(stretch.run(400))
    longer, shorter = stretch.run(400), stretch.run(200)
    # Turn by turn: a run that shared an engine with the other would hear of its records.
    together = [(next(longer), next(shorter)) for _ in range(200)]
    assert [first for first, _ in together] + list(longer) == alone
    assert [second for _, second in together] == alone[:200]
    assert sum(map(len, alone)) > 100


async def test_a_source_that_cannot_be_read_is_no_finding() -> None:
    class Gone(MemorySource):
        async def __aenter__(self) -> MemorySource:
            raise LogMissingError("gone")

    with pytest.raises(LogMissingError, match="gone"):
        await check_causality(CONFIG, lambda: Gone(LOG, LIVE, 1), ReplayOptions(), 2, 1)
