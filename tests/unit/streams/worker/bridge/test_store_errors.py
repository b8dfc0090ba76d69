"""Errors of RocksDB are of three kinds: no room, in use, damaged."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tapeline.streams.worker.bridge.store_errors import (
    LocalStoreDamagedError,
    LocalStoreError,
    StoreBrokenError,
    StoreLockedError,
    StoreWriteError,
    opening,
    reading,
    wants_room,
    writing,
)

FULL = "IO error: No space left on device: While appending to file: /d/clock/MANIFEST-000005"
LARGE = "IO error: File too large: While appending to file: /d/000012.sst"
BLOCK = "Corruption: block checksum mismatch: stored = 1, computed = 2 in /d/000009.sst"
LOCK = "IO error: While lock file: /d/LOCK: Resource temporarily unavailable"
OWN = "IO error: lock hold by current process, acquire time 1: /d/LOCK: No locks available"
RIGHT = "IO error: Permission denied: While open a file for random read: /d/clock/CURRENT"


@pytest.mark.parametrize(
    ("doing", "message", "kind", "way_out"),
    [
        (opening, FULL, StoreWriteError, "Make room"),
        (opening, LARGE, StoreWriteError, "Make room"),
        (opening, BLOCK, LocalStoreDamagedError, "Delete the folder"),
        (opening, LOCK, StoreLockedError, "If no other worker uses it"),
        (opening, OWN, StoreLockedError, "If no other worker uses it"),
        (opening, RIGHT, StoreBrokenError, "If no other worker uses it"),
        (reading, BLOCK, LocalStoreDamagedError, "Delete the folder"),
        (reading, "IO error: Input/output error", LocalStoreDamagedError, "Delete the folder"),
        (writing, FULL, StoreWriteError, "Make room"),
        (writing, BLOCK, LocalStoreDamagedError, "Delete the folder"),
    ],
)
def test_an_error_of_the_store_is_of_its_kind_with_folder_cause_and_way_out(
    doing: Callable[[Path], AbstractContextManager[None]],
    message: str,
    kind: type[LocalStoreError],
    way_out: str,
) -> None:
    with pytest.raises(LocalStoreError) as raised, doing(Path("/d/state-0.db")):
        raise Exception(message)
    error = raised.value
    assert type(error) is kind
    assert "the local state /d/state-0.db " in str(error)
    assert message in str(error)
    assert way_out in str(error)
    # Faust waits half a minute for an error with this word in it.
    assert ("lock" in repr(error)) == (kind is StoreLockedError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "whatever"), True),
        (OSError(errno.EDQUOT, "whatever"), True),
        (OSError(errno.EACCES, "No space left on device"), False),
        (Exception(FULL), True),
        (ValueError("the state ends before offset 5"), False),
    ],
)
def test_want_of_room_is_known_by_whatever_error(error: Exception, expected: bool) -> None:
    assert wants_room(error) == expected
