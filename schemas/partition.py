"""Partition of a group: what every Kafka client computes for the group id as key."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_M = 0x5BD1E995
_R = 24


def partition_for(group_id: str, partitions: int) -> int:
    """Partition of a group's records and events: murmur2 of the id's UTF-8 bytes, as in Java.

    For a lone symbol the group id is the symbol, so a client that leaves the choice to the Java
    default, or to librdkafka's ``murmur2_random``, with the symbol as key writes to the same one.

    Raises
    ------
    ValueError
        When `partitions` is below 1.
    """
    if partitions < 1:
        raise ValueError(f"{partitions} partitions: a topic has at least one")
    return (murmur2(group_id.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Murmur2 hash (32 bits, unsigned) with the seed of Kafka's ``Utils.murmur2``."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        k = (k ^ (k >> _R)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)
