"""Reads whole topics back, in order of each partition."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def read_topic(bootstrap: str, topic: str) -> list[list[Any]]:
    """Records of every partition from its beginning to what is its end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = await partitions(consumer, topic)
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        consumer.assign(tps)
        # At once, so that nothing looks for a position of its own in between.
        for tp in tps:
            consumer.seek(tp, begins[tp])
        found: list[list[Any]] = [[] for _ in tps]
        waiting = set(tps)
        while waiting:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp.partition] += records
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
