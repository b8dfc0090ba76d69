"""An open store: read what is in it, commit what is new, in an order that survives a kill.

What a commit does, step by step, and what a kill leaves:

1. Lines are added to the log, and are on disk. Killed before that: the step never was. Killed after
   it: the lines lie beyond the checkpoint; the next run applies them. A torn last line is cut.
2. Lines are added to the topics, and are on disk. Killed here: the topics are cut to the
   checkpoint, and the same lines are made again from the log.
3. State, view, bars and checkpoint are written as one batch. It is there or it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec.structs import replace

from schemas.topics import OUTPUT_TOPICS
from streams.store.checkpoint import Checkpoint, RunMark, Slot, empty_checkpoint, read_checkpoint
from streams.store.database import Database
from streams.store.files import AppendFile, LogFile, sync_folder
from streams.store.layout import (
    CHECKPOINT_KEY,
    LOG_FILE,
    STATE_FOLDER,
    TOPICS_FOLDER,
    FolderLock,
    StoreError,
    way_out,
)
from streams.store.step import Step

Changes = Iterable[tuple[bytes, bytes | None]]


def no_hook(_: str) -> None:
    """Nobody waits for a point of the commit."""


class OpenStore:
    """A store that this process writes to; a context.

    Parameters
    ----------
    folder
        Of the store; made if it is missing.
    hook
        Called at the points of a commit: ``before_log``, ``after_log``, ``after_outputs``,
        ``after_state``.

    Attributes
    ----------
    checkpoint
        How far it is.
    repaired
        Whether a killed process had left something.

    Raises
    ------
    StoreError
        When the folder is something else, in use, damaged or of another format.
    """

    def __init__(self, folder: Path, hook: Callable[[str], None] = no_hook) -> None:
        self.folder = folder
        self.repaired = False
        self.checkpoint = empty_checkpoint()
        self._hook = hook
        self._stack = ExitStack()

    def __enter__(self) -> OpenStore:
        with ExitStack() as stack:
            stack.enter_context(FolderLock(self.folder))
            self._open_files(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open_files(self, stack: ExitStack) -> None:
        topics = self.folder / TOPICS_FOLDER
        topics.mkdir(exist_ok=True)
        self.database = Database(self.folder / STATE_FOLDER)
        stack.callback(self.database.close)
        sync_folder(self.folder)
        self.checkpoint = stored_checkpoint(self.folder, self.database)
        lengths = self.checkpoint.topics
        self._topics = {
            name: AppendFile(topics / f"{name}.jsonl", lengths[name]) for name in OUTPUT_TOPICS
        }
        self._log = LogFile(self.folder / LOG_FILE, self.checkpoint.log_bytes)
        stack.callback(self._log.close)
        for file in self._topics.values():
            stack.callback(file.close)
        cut = self._log.cut or any(file.cut for file in self._topics.values())
        self.repaired = cut or bool(self._log.tail)

    def tail(self) -> Iterator[bytes]:
        """Lines of the log beyond the checkpoint."""
        yield from self._log.tail.splitlines()

    def begin(self, mark: RunMark) -> None:
        """Say that a run has begun, before it writes anything."""
        self._put(replace(self.checkpoint, run=mark))

    def commit(
        self,
        step: Step,
        states: Changes,
        mark: RunMark | None,
        plans: dict[str, str],
        rebuilds: dict[str, Slot | None],
    ) -> None:
        """Write a step; all of it is there when it returns.

        Parameters
        ----------
        states
            State records that changed.
        mark
            How far the run is.
        plans, rebuilds
            As in the checkpoint.
        """
        self._hook("before_log")
        self._log.append(bytes(step.log))
        self._log.sync()
        self._hook("after_log")
        for topic, lines in step.topics.items():
            self._topics[topic].append(bytes(lines))
        for topic in step.topics:
            self._topics[topic].sync()
        self._hook("after_outputs")
        checkpoint = replace(
            self.checkpoint,
            log_bytes=self._log.length,
            log_records=self.checkpoint.log_records + step.records,
            topics={name: file.length for name, file in self._topics.items()},
            plans=dict(plans),
            rebuilds=dict(rebuilds),
            run=mark,
        )
        self._put(checkpoint, (*states, *step.changes()))
        self._hook("after_state")

    def _put(self, checkpoint: Checkpoint, changes: Changes = ()) -> None:
        raw = msgspec.json.encode(checkpoint)
        self.database.write([*changes, (CHECKPOINT_KEY, raw)])
        self.checkpoint = checkpoint


def stored_checkpoint(folder: Path, database: Database) -> Checkpoint:
    """The checkpoint of a store; an empty one of a new store.

    Raises
    ------
    StoreError
        When another version of Tapeline wrote it.
    """
    raw = database.get(CHECKPOINT_KEY)
    if raw is None:
        return empty_checkpoint()
    try:
        return read_checkpoint(raw)
    except ValueError as error:
        raise StoreError(f"{folder}: {error}; {way_out(folder)}") from error
