"""Files as the messages a publication would send, without a broker."""

from __future__ import annotations

from pathlib import Path

from tapeline.schemas.codec import RecordDecoder
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.times import table_times
from tapeline.streams.kafka.messages import Letter, Message
from tapeline.streams.kafka.publishing import PublishInputs
from tests.unit.streams.embedded.books import CONFIGURATION


def published(
    *sources: Source, toml: str = CONFIGURATION, partitions: int = 12
) -> list[Message | Letter]:
    """What a publication of the sources sends, in order."""
    config: Config = read_config(toml, "test")
    with PublishInputs(config, sources, table_times(config, None, None)) as inputs:
        return list(inputs.messages(partitions))


def refused(*sources: Source, toml: str = CONFIGURATION) -> tuple[int, dict[str, int]]:
    """Messages of a publication, and by code the rows that are refused."""
    config: Config = read_config(toml, "test")
    with PublishInputs(config, sources, table_times(config, None, None)) as inputs:
        sent = [each for each in inputs.messages(12) if isinstance(each, Message)]
        return len(sent), dict(inputs.refusals.codes)


def messages(*sources: Source, toml: str = CONFIGURATION, partitions: int = 12) -> list[Message]:
    """The same without dead letters."""
    sent = published(*sources, toml=toml, partitions=partitions)
    return [each for each in sent if isinstance(each, Message)]


def record(message: Message) -> LogRecord:
    """The record of a message."""
    return RecordDecoder().decode(message.value)


def write_log(path: Path, sent: list[Message]) -> Path:
    """Messages as the log they make."""
    path.write_bytes(b"".join(message.value + b"\n" for message in sent))
    return path
