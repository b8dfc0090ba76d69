"""The log of a drill: equal for equal seeds, in every partition, and full of trouble."""

from __future__ import annotations

from itertools import islice

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.partition import partition_for
from tapeline.streams.drill.books import Sent, drill_config, drill_logs
from tapeline.streams.drill.oracle import expected

RECORDS = 4_000


def log(partition: int, seed: int, partitions: int = 4) -> list[Sent]:
    config = drill_config(KafkaConfig(partitions=partitions))
    return list(islice(drill_logs(config, seed)[partition], RECORDS))


def test_equal_seeds_give_equal_logs_and_others_do_not() -> None:
    assert log(2, 7) == log(2, 7)
    assert log(2, 7) != log(2, 8)


@pytest.mark.parametrize("partitions", [2, 4, 7])
def test_every_partition_has_a_symbol_of_its_own(partitions: int) -> None:
    config = drill_config(KafkaConfig(partitions=partitions))
    filled = {partition_for(config.group_of(each), partitions) for each in config.instruments}
    assert filled == set(range(partitions)) == set(drill_logs(config, 1))


def test_the_workers_read_the_same_configuration_from_a_file() -> None:
    config = drill_config(KafkaConfig(topic_prefix="tape.drill.x", partitions=4))
    assert read_config(to_toml(config), "test") == config


def test_the_books_are_late_changed_cancelled_repeated_and_poisoned() -> None:
    config = drill_config(KafkaConfig(partitions=4))
    found = expected(config, 0, [each.value for each in log(0, 7)])
    engine = found.router.engines["ES-NQ"]
    counters = engine.counters("ES")
    assert (
        min(counters[each] for each in ("late", "changed", "cancelled", "duplicates", "clocks")) > 0
    )
    codes = {each.code for each in found.letters.values()}
    assert codes >= {
        "bad_volume",
        "decode_error",
        "inconsistent_ohlc",
        "schema_error",
        "unknown_symbol",
        "wrong_partition",
    }
    assert any(each.key is None and each.value is None for each in log(0, 7))
