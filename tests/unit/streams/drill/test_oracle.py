"""The drill's fold of a log read back is the embedded run over that log."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tapeline.schemas.config.model import KafkaConfig
from tapeline.streams.drill.books import drill_config, drill_logs
from tapeline.streams.drill.oracle import expected
from tests.kafka.expectation import embedded_run

CONFIG = drill_config(KafkaConfig(partitions=2))


def test_the_facts_of_a_partition_are_those_of_the_embedded_run_byte_for_byte(
    tmp_path: Path,
) -> None:
    for partition, log in drill_logs(CONFIG, 3).items():
        values = [each.value or b"null" for each in islice(log, 1_500)]
        # What no line of a file can hold, and what only a partition can refuse, is left out.
        lines = [each for each in values if each and b"\n" not in each and b"DRILL" not in each]
        found = expected(CONFIG, partition, lines)
        assert found.facts == embedded_run(CONFIG, tmp_path / str(partition), lines)
        assert found.records == len(lines)
