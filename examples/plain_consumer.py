"""Read an output topic with nothing of ours: aiokafka and the standard library.

    python examples/plain_consumer.py tape.touches.v1 --bootstrap 127.0.0.1:9092

Prints one line for each step of the view, in order, each once: the fact as JSON, or the id of a
fact that left. It shows all that a consumer in any language has to do:

- belong to no group and read every partition from its beginning;
- drop what repeats: after a crash a worker writes the same events again, with the same `seq`, so
  whatever does not exceed the greatest `seq` of its partition is known;
- take a message without value as the end of the fact that its key names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def print_view(bootstrap: str, topic: str, follow: bool) -> None:
    # Without a group the consumer is given all partitions of the topic, and commits nothing.
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        last_seq: dict[TopicPartition, int] = {}
        while follow or await behind(consumer, ends):
            found = await consumer.getmany(timeout_ms=500)
            for partition, messages in found.items():
                for message in messages:
                    take(partition, message, last_seq)
    finally:
        await consumer.stop()


async def behind(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    """Whether something is left of what the topic held when we came."""
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return True
    return False


def take(partition: TopicPartition, message: Any, last_seq: dict[TopicPartition, int]) -> None:
    headers = dict(message.headers)
    # Dead letters have no seq: they are no facts of a group.
    if "seq" in headers:
        seq = int(headers["seq"])
        if seq <= last_seq.get(partition, -1):
            return
        last_seq[partition] = seq
    fact_id = message.key.decode()
    if message.value is None:
        print(f"removed {fact_id}", flush=True)
    else:
        print(json.dumps(json.loads(message.value)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the view of an output topic.")
    parser.add_argument("topic", nargs="?", default="tape.touches.v1")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", help="addresses of the brokers")
    parser.add_argument("--once", action="store_true", help="end where the topic ends now")
    arguments = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(print_view(arguments.bootstrap, arguments.topic, not arguments.once))
    except BrokenPipeError:
        # The reader of stdout has gone (`| head`); what is left to print goes nowhere, at exit too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
