"""How many of the newest records of the log have another CreateTime than their own time."""

from __future__ import annotations

from aiokafka import TopicPartition
from msgspec import Struct

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.reading import read_block, whole_spans
from tapeline.streams.kafka.stamps import Stamps


class StampSurvey(Struct, frozen=True):
    """What was found.

    Attributes
    ----------
    records
        Records that were read.
    untimed
        Those of them whose CreateTime is not the end of their bar, or the time of their clock.
    """

    records: int
    untimed: int


async def stamp_survey(config: Config, brokers: Brokers, partitions: int, last: int) -> StampSurvey:
    """Look at the last committed records of each partition of the log; nothing is committed.

    Parameters
    ----------
    last
        How many offsets of each partition are looked at.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    topic = input_log(config.kafka.topic_prefix)
    decode, untimed = RecordDecoder().decode, Stamps(config).untimed
    records = found = 0
    topic_partitions = [TopicPartition(topic, number) for number in range(partitions)]
    async with (
        plain_errors(brokers, f"reading {topic}"),
        make_consumer(brokers, auto_offset_reset="none") as consumer,
    ):
        for partition, (begin, end) in (await whole_spans(consumer, topic_partitions)).items():
            for record in await read_block(consumer, partition, max(begin, end - last), end):
                records += 1
                try:
                    content = decode(record.value or b"")
                except CodecError:
                    continue
                found += untimed(content, record.timestamp)
    return StampSurvey(records, found)
