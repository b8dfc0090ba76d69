"""What must have been published of a partition: the core folded over the log as read back."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from tapeline.schemas.codec import CodecError, RecordDecoder, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output, Retract, type_of
from tapeline.schemas.ids import reject_id
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.drill.messages import FACTS, TopicMessage
from tapeline.streams.pipeline.admission import AdmittedSymbol
from tapeline.streams.pipeline.routing import Router


class ExpectedLetter(NamedTuple):
    """A dead letter, as far as two of them are compared."""

    id: str
    code: str
    raw: str


class Expected(Struct):
    """What a partition of the log leads to.

    Attributes
    ----------
    facts
        Messages by type of event, in their order.
    letters
        Dead letters by id.
    router
        The engines of its groups after the last record.
    records
        How many there were.
    admitted
        Of symbols that are not configured, in their order.
    """

    facts: dict[str, list[TopicMessage]]
    letters: dict[str, ExpectedLetter]
    router: Router
    records: int
    admitted: list[AdmittedSymbol]


def expected(config: Config, partition: int, values: Iterable[bytes | None]) -> Expected:
    """Fold the values of a partition of the log, from offset 0 on and without a hole.

    The engines, and a loop of its own: the drive is what is tested, too.
    """
    router = Router(
        config, partition_of=lambda group: partition_for(group, config.kafka.partitions)
    )
    found = Expected({kind: [] for kind in FACTS}, {}, router, 0, [])
    decode = RecordDecoder().decode
    log = input_log(config.kafka.topic_prefix)
    for offset, value in enumerate(values):
        raw = value or b""
        try:
            events = _apply(router, partition, decode(raw), offset)
        except (CodecError, RecordRejected) as error:
            letter_id = reject_id(f"{log}/{partition}/{offset}")
            text = base64.b64encode(raw).decode("ascii")
            found.letters[letter_id] = ExpectedLetter(letter_id, error.code, text)
        else:
            for event in events:
                each = _message_of(event)
                found.facts[each.type].append(each)
        found.records = offset + 1
    found.admitted = found.router.admission(partition).taken()
    return found


def _apply(router: Router, partition: int, record: LogRecord, offset: int) -> list[Output]:
    engine = router.find(record, offset, partition).engine
    assert engine is not None
    return engine.apply(record, offset).events


def _message_of(event: Output) -> TopicMessage:
    value = None if isinstance(event, Retract) else encode(event)
    return TopicMessage(event.seq, event.id, event.rev, type_of(event), value)
