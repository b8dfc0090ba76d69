"""Partitions are those of the Java client."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.partition import murmur2, partition_for

JAVA_VALUES = Path(__file__).parent / "data" / "java_client_partitions.csv"


def java_rows() -> list[dict[str, str]]:
    with JAVA_VALUES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", java_rows(), ids=lambda row: row["group_id"] or "empty")
def test_a_group_lies_where_the_java_client_puts_its_key(row: dict[str, str]) -> None:
    group_id = row["group_id"]
    signed = int.from_bytes(murmur2(group_id.encode()).to_bytes(4, "big"), "big", signed=True)
    assert signed == int(row["murmur2"])
    for count in (1, 3, 6, 12, 64):
        assert partition_for(group_id, count) == int(row[f"of_{count}"])


def test_the_table_holds_every_length_of_rest_and_both_signs() -> None:
    rows = java_rows()
    assert {len(row["group_id"].encode()) % 4 for row in rows} == {0, 1, 2, 3}
    assert {int(row["murmur2"]) < 0 for row in rows} == {True, False}


@given(st.text(max_size=70), st.integers(1, 1_000))
def test_every_group_has_a_partition(group_id: str, partitions: int) -> None:
    assert 0 <= partition_for(group_id, partitions) < partitions


@pytest.mark.parametrize("partitions", [0, -1])
def test_a_topic_without_partitions_is_refused(partitions: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        partition_for("ES", partitions)
