"""What a worker says of the cluster when it cannot go on."""

from __future__ import annotations

import socket

from tapeline.streams.worker.cluster import explained
from tapeline.streams.worker.exits import NotWrittenError


async def test_where_no_broker_answers_the_way_out_is_the_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    error = NotWrittenError("tape.bars.v1", "tape.bars.v1 partition 3 cannot be written (X)")
    found = await explained(error, address)
    assert found.topic == "tape.bars.v1"
    assert str(found) == (
        "tape.bars.v1 partition 3 cannot be written (X). Look after the broker and start this "
        "again: what was not acknowledged is sent again"
    )
