"""Reads whole topics back, in order of each partition."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def read_topic(bootstrap: str, topic: str) -> list[list[Any]]:
    """Records of every partition from its beginning to what is its end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = await partitions(consumer, topic)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        # At once, so that nothing looks for a position of its own in between.
        for place in places:
            consumer.seek(place, begins[place])
        found: list[list[Any]] = [[] for _ in places]
        waiting = set(places)
        while waiting:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place.partition] += records
            waiting = {each for each in waiting if await consumer.position(each) < ends[each]}
        return found
    finally:
        await consumer.stop()


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic, by number."""
    await consumer._client._wait_on_metadata(topic)
    return [
        TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))
    ]
