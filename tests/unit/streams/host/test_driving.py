"""Which records of a fold reach a host, and as which steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.host_events import HostEvent
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.host.driving import BOOKS, FILES, HostDriver, groups_of
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.host.plan import Numbering
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.unit.replay.hosting.strategies import records, write

STEP = 1_000_000


def driven(numbering: Numbering, names: list[str], first: int = 0) -> list[HostEvent]:
    """What a host makes of the records; `first` is the step it begins with."""
    config = load_config(None)
    strategies = load_strategies(config, names)
    router = Router(config)
    driver = HostDriver(config, strategies, router, numbering)
    driver.step = first
    drive = Drive(router)
    found: list[HostEvent] = []
    for offset, record in enumerate(records()):
        outcome: Outcome = drive.apply(record, offset)
        item = (offset, record, 3)
        found += driver.take(item, record, outcome, config.group_of(record.symbol))
        assert driver.at is None, "it is at no record between two"
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategies and their configuration in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)


def test_in_files_a_step_is_the_offset_and_in_a_book_the_count_of_its_groups_records() -> None:
    of_acme = [at for at, record in enumerate(records()) if record.symbol == "ACME"]
    files, book = driven(FILES, ["trader"]), driven(BOOKS, ["trader"], first=7)
    assert len(files) == len(book) > 20
    for event, other in zip(files, book, strict=True):
        offset, index = divmod(event.seq, STEP)
        assert (offset in of_acme, index >= STEP // 2) == (True, True)
        assert other.seq // STEP == 7 + of_acme.index(offset)
        assert other.seq % STEP == index - STEP // 2
        assert (event.cause, other.cause) == ({"0": offset}, {"3": offset})


def test_records_of_groups_that_no_strategy_follows_reach_no_host() -> None:
    config = load_config(None)
    assert groups_of(config, load_strategies(config, ["trader"])) == {"ACME"}
    assert groups_of(config, load_strategies(config, ["both"])) == {"ACME", "ES-NQ"}
    assert {event.symbol for event in driven(FILES, ["trader"])} <= {"ACME", None}
