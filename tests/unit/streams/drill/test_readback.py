"""What the broker does not know yet is asked for again; what it refuses is reported."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    NodeNotReadyError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from tapeline.schemas.config.model import KafkaConfig
from tapeline.streams.drill.readback import committed_offsets

KAFKA = KafkaConfig(topic_prefix="tape")


class Admin:
    """A client whose broker answers with offsets, or with an error."""

    def __init__(self, answer: dict[TopicPartition, OffsetAndMetadata] | KafkaError) -> None:
        self._answer = answer

    async def list_consumer_group_offsets(self, group: str) -> Any:
        assert group == "tape-worker"
        if isinstance(self._answer, KafkaError):
            raise self._answer
        return self._answer


async def test_the_offsets_of_the_log_are_those_that_count() -> None:
    answer = {
        TopicPartition("tape.bars.v1", 1): OffsetAndMetadata(7, ""),
        TopicPartition("other", 1): OffsetAndMetadata(9, ""),
    }
    admin: Any = Admin(answer)
    assert await committed_offsets(admin, KAFKA) == {1: 7}


@pytest.mark.parametrize("error", [NodeNotReadyError(), GroupCoordinatorNotAvailableError()])
async def test_while_the_cluster_does_not_know_nothing_is_known(error: KafkaError) -> None:
    admin: Any = Admin(error)
    assert await committed_offsets(admin, KAFKA) == {}


async def test_a_refusal_is_raised() -> None:
    admin: Any = Admin(GroupAuthorizationFailedError("tape-worker"))
    with pytest.raises(GroupAuthorizationFailedError):
        await committed_offsets(admin, KAFKA)
