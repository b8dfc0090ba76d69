"""Where a worker begins to read, and where it ends because the log is another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from faust.types import TP

from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.worker.app import WorkerApp, WorkerOptions, make_app
from tapeline.streams.worker.fold import LogHoleError
from tapeline.streams.worker.state.records import Checkpoint, checkpoint_pair
from tests.unit.streams.worker.current_loop import current_loop

LAST = RecordDigest(9, 1_764_000_060_000, "0123456789abcdef")
NEW, KNOWN = TP(input_log(), 0), TP(input_log(), 1)


def stop(error: BaseException) -> NoReturn:
    raise error


@pytest.fixture
def app(tmp_path: Path) -> Iterator[WorkerApp]:
    """Never started; the state of partition 1 ends before offset 10."""
    options = WorkerOptions(
        data_dir=tmp_path, partitions=2, instance=None, session_s=10.0, chunk_records=10
    )
    with current_loop():
        app = make_app(built_in_config(), options, on_crash=stop)
        app.table.write(1, [checkpoint_pair(Checkpoint(10, LAST))], 0)
        yield app
        for db in app.table.data._dbs.values():
            db.close()


@pytest.mark.parametrize("committed", [None, 0, 3, 10, 20])
def test_a_worker_begins_where_its_state_ends_whatever_is_committed(
    app: WorkerApp, committed: int | None
) -> None:
    assert app.start_offset(KNOWN, committed) == 10
    assert app.last_record(KNOWN) == LAST


def test_without_a_state_a_worker_begins_only_where_nothing_is_committed(app: WorkerApp) -> None:
    assert app.last_record(NEW) is None
    assert [app.start_offset(NEW, committed) for committed in (None, 0)] == [0, 0]
    expected = r"partition 0: .* committed offset 7, .* no state: the changelog was lost"
    with pytest.raises(LogHoleError, match=expected):
        app.start_offset(NEW, 7)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (0, 9, r"partition 1 ends at offset 9, the state includes all below 10"),
        (12, 30, r"the state ends before offset 10, the log goes on at 12"),
        (0, 30, r"offset 10 was out of range, though the log has 0 to 30 by now"),
        (10, 10, r"offset 10 was out of range, though the log has 10 to 10 by now"),
    ],
)
def test_an_offset_that_the_log_does_not_have_is_named_with_what_it_has(
    app: WorkerApp, begin: int, end: int, expected: str
) -> None:
    with pytest.raises(LogHoleError, match=expected):
        app.log_out_of_range(KNOWN, 10, begin, end)
