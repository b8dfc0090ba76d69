"""A log of one equity on a broker, and what a worker must have made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.records import LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.expectation import FACTS, embedded_run, read_outputs, without_duplicates
from tests.kafka.worker_process import configuration, with_kafka


async def prepared(broker: Broker, prefix: str, partitions: int = 1) -> Config:
    """A configuration whose topics are there and empty."""
    base = with_kafka(built_in_config(), broker.bootstrap, prefix, partitions)
    config = read_config(configuration(base), "test")
    await create_topics(config.kafka, broker.brokers)
    return config


def acme_log(sessions: int, seed: int = 11) -> list[LogRecord]:
    """Complete sessions, 390 records each."""
    return list(
        sample_book("ACME", load_calendar("XNYS"), "2025-11-24", sessions, seed, 12_500, 0.01)
    )


async def assert_exact(config: Config, folder: Path, log: Sequence[LogRecord | bytes]) -> None:
    """Every fact is that of an embedded run over the log."""
    found = await read_outputs(config, 0)
    expected = embedded_run(config, folder, log)
    for kind in FACTS:
        assert without_duplicates(found[kind]) == expected[kind], kind
