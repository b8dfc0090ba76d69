"""Whether a local store may be used: what it holds about its changelog, and how that begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.worker.state.changelog import (
    ChangelogError,
    Head,
    LocalAheadError,
    LocalState,
    belongs,
)
from tapeline.streams.worker.state.records import (
    Checkpoint,
    ForeignRecordError,
    checkpoint_pair,
    new_identity,
)

TOPIC = "tape-worker-state-changelog"
PATH = Path("/data/state-3.db")
CHECKPOINT = checkpoint_pair(Checkpoint(7))
NOTHING = LocalState(PATH, empty=True, identity=None, offset=None)


def head(
    begin: int = 0, end: int = 9, first: tuple[bytes, bytes] | None = None, name: str | None = "ab"
) -> Head:
    key, value = new_identity() if first is None else first
    return Head(begin, end, begin, key, value, name)


def local(identity: str | None = "ab", offset: int | None = 8) -> LocalState:
    return LocalState(PATH, empty=False, identity=identity, offset=offset)


@pytest.mark.parametrize(
    ("found", "stored"),
    [
        (Head(0, 0), NOTHING),
        (head(), NOTHING),
        (head(), local()),
        (head(), local(offset=0)),
        # A second identity after a changelog was compacted.
        (head(first=CHECKPOINT), local()),
    ],
)
def test_a_store_of_the_same_changelog_and_an_empty_one_are_used(
    found: Head, stored: LocalState
) -> None:
    assert belongs(TOPIC, 3, found, stored, used=False)
    assert belongs(TOPIC, 3, found, stored, used=True)


@pytest.mark.parametrize("stored", [local("cd"), local("cd", 99), local(None), local(None, None)])
def test_a_store_of_another_changelog_is_not_used(stored: LocalState) -> None:
    assert not belongs(TOPIC, 3, head(), stored, used=False)


def test_a_changelog_that_was_made_again_under_a_worker_ends_it() -> None:
    with pytest.raises(ChangelogError, match=r"partition 3 was made again .* ab, before cd\)"):
        belongs(TOPIC, 3, head(), local("cd"), used=True)


@pytest.mark.parametrize(
    ("found", "stored", "message"),
    [
        (Head(0, 0), local(), "is empty, the local state /data/state-3.db is not"),
        (Head(9, 9), local(), "is empty, the local state /data/state-3.db is not"),
        (Head(9, 9), NOTHING, "begins at offset 9: its records before that were deleted"),
        (head(5, name=None), local(), "begins at offset 5"),
        (
            head(first=CHECKPOINT, name=None),
            NOTHING,
            "state of an older version",
        ),
        (
            head(first=CHECKPOINT, name=None),
            local(),
            "state of an older version",
        ),
    ],
)
def test_a_changelog_that_nothing_can_be_recovered_from_is_named(
    found: Head, stored: LocalState, message: str
) -> None:
    with pytest.raises(ChangelogError, match=f"^{TOPIC} partition 3 ") as raised:
        belongs(TOPIC, 3, found, stored, used=False)
    assert message in str(raised.value)


def test_a_foreign_record_that_begins_a_changelog_is_named_with_its_offset() -> None:
    with pytest.raises(ForeignRecordError, match=f"{TOPIC} partition 3 offset 0: .*key b'foo'"):
        belongs(TOPIC, 3, head(first=(b"foo", b"bar"), name=None), NOTHING, used=False)


@pytest.mark.parametrize(("offset", "ahead"), [(7, False), (8, False), (9, True), (30, True)])
def test_a_store_that_is_ahead_of_its_changelog_is_named(offset: int, ahead: bool) -> None:
    if not ahead:
        assert belongs(TOPIC, 3, head(end=9), local(offset=offset), used=False)
        return
    with pytest.raises(LocalAheadError, match=rf"up to offset {offset}, which ends at 8"):
        belongs(TOPIC, 3, head(end=9), local(offset=offset), used=False)
