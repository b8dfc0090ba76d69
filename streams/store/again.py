"""What becomes of the files of a store whose state is made again from its log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from tapeline.schemas.codec import CodecError, FeedEventDecoder, RecordDecoder, decode_event
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.errors import naming
from tapeline.streams.outputs.run_folder import TOPICS_FOLDER
from tapeline.streams.store.database import Database
from tapeline.streams.store.files import check_file, missing, sync_folder
from tapeline.streams.store.layout import (
    CHECKPOINT_KEY,
    LOG_FILE,
    LOG_WAY,
    STATE_FOLDER,
    FolderLock,
    StoreDamagedError,
    StoreError,
)

CURRENT = "CURRENT"
"""A database without this file is a new one."""
LETTERS_TOPIC = topic_of("reject")
PART = ".part"


class _Extent(msgspec.Struct):
    """What a checkpoint of any version holds about the log."""

    log_bytes: int
    log_crc: int | None = None


def check_store(folder: Path) -> None:
    """Raise `StoreError` when a folder is no store, whatever is left of it."""
    if not (folder / STATE_FOLDER).is_dir() and not (folder / LOG_FILE).is_file():
        raise StoreError(f"{folder}: is no store; tapeline run FILE --store {folder} makes one")


def check_log(folder: Path) -> None:
    """Read the whole log, before what was made from it is thrown away.

    Raises
    ------
    StoreDamagedError
        When a line is no record, or the log does not agree with a checkpoint that can be read.
    """
    log = folder / LOG_FILE
    extent = _known_extent(folder)
    size = log.stat().st_size if log.exists() else 0
    if size:
        _check_lines(log)
    if extent is not None and size < extent.log_bytes:
        raise StoreDamagedError(missing(log, extent.log_bytes - size, LOG_WAY))
    if extent is not None and extent.log_crc is not None:
        check_file(log, extent.log_bytes, extent.log_crc, LOG_WAY)


def _check_lines(log: Path) -> None:
    decode = RecordDecoder().decode
    with log.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                # The last line, torn by a kill: it never was.
                return
            try:
                decode(line)
            except CodecError as error:
                raise unreadable_line(log, number, error) from error


def unreadable_line(log: Path, number: int, error: CodecError) -> StoreDamagedError:
    """The error for a line of the log, counted from 1, that is no record."""
    return StoreDamagedError(f"{log}:{number}: is no record ({error}); {LOG_WAY}")


def _known_extent(folder: Path) -> _Extent | None:
    """What the checkpoint holds about the log, None when none can be read."""
    try:
        database = Database(folder / STATE_FOLDER, read_only=True)
    except (OSError, StoreDamagedError):
        return None
    try:
        raw = database.get(CHECKPOINT_KEY)
        return None if raw is None else msgspec.json.decode(raw, type=_Extent)
    except (OSError, StoreDamagedError, ValueError):
        return None
    finally:
        database.close()


def clear_state(folder: Path, lock: FolderLock) -> None:
    """Throw the state away; a kill on the way leaves a store without one.

    Raises
    ------
    StoreDamagedError
        When the log cannot be read: nothing was thrown away.
    """
    check_log(folder)
    lock.forget()
    state = folder / STATE_FOLDER
    if state.is_dir():
        (state / CURRENT).unlink(missing_ok=True)
        sync_folder(state)
    clear_remains(folder)


def clear_remains(folder: Path) -> None:
    """Remove the files of a database that is none any more: beside them none can be made."""
    state = folder / STATE_FOLDER
    if state.is_dir() and not (state / CURRENT).exists():
        shutil.rmtree(state)
        sync_folder(folder)


def kept_lines(folder: Path, topic: str, registry: Registry = EVENTS) -> list[bytes]:
    """Lines of a topic of a store that lost its state; its file holds these and no others.

    Dead letters, and what feeds report of themselves: the only lines that cannot be made again,
    since the log has no row that was refused, and nothing of an outage.
    """
    path = folder / TOPICS_FOLDER / f"{topic}.jsonl"
    if not path.exists():
        return []
    decode = decode_event if topic == LETTERS_TOPIC else FeedEventDecoder(registry).decode
    content = path.read_bytes()
    lines = [line for line in content.split(b"\n") if _is_readable(line, decode)]
    kept = b"".join(line + b"\n" for line in lines)
    if kept != content:
        part = path.with_name(path.name + PART)
        with naming(part), part.open("wb") as file:
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    return lines


def _is_readable(line: bytes, decode: Callable[[bytes], object]) -> bool:
    try:
        decode(line)
    except CodecError:
        return False
    return True
