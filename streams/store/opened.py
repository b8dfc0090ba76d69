"""An open store: read what is in it, commit what is new, in an order that survives a kill.

What a commit does, step by step, and what a kill leaves:

1. Lines are added to the log, and are on disk. Killed before that: the step never was. Killed after
   it: the lines lie beyond the checkpoint; the next run applies them. A torn last line is cut.
2. Lines are added to the topics, and are on disk. Killed here: the topics are cut to the
   checkpoint, and the same lines are made again from the log.
3. State, view, bars and checkpoint are written as one batch. It is there or it is not.

A store whose state is lost, or is thrown away to be made again, is one whose checkpoint is at the
beginning: all of the log lies beyond it. Of its topics only the dead letters and what feeds report
of themselves stay: the log has neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec.structs import replace

from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import host_topics, output_topics, store_topics
from tapeline.streams.outputs.run_folder import TOPICS_FOLDER
from tapeline.streams.pipeline.state_values import encoded
from tapeline.streams.store.again import LETTERS_TOPIC, clear_remains, clear_state, kept_lines
from tapeline.streams.store.checkpoint import (
    RunMark,
    Slot,
    StoreCheckpoint,
    empty_checkpoint,
    read_checkpoint,
)
from tapeline.streams.store.database import Database
from tapeline.streams.store.files import AppendFile, LogFile, sync_folder
from tapeline.streams.store.layout import (
    CHECKPOINT_KEY,
    LOG_FILE,
    LOG_WAY,
    STATE_FOLDER,
    FolderLock,
    StoreDamagedError,
    StoreError,
    commits_of,
    plan_key,
    rebuild_way,
)
from tapeline.streams.store.log_provenance import UNKNOWN, LogProvenance
from tapeline.streams.store.step import StoreStep

Changes = Iterable[tuple[bytes, bytes | None]]


def no_hook(_: str) -> None:
    """No point of the commit is waited for."""


class OpenStore:
    """A store that this process writes to; a context.

    Parameters
    ----------
    folder
        Of the store; made if it is missing.
    hook
        Called at the points of a commit: ``before_log``, ``after_log``, ``after_outputs``,
        ``after_state``.
    again
        Throw the state away, to make it again from the log.
    registry
        The types of the events: every topic that a fold writes has a file.

    Attributes
    ----------
    checkpoint
        How far it is.
    repaired
        Whether a killed process had left something.
    torn
        Whether the last line of the log was not whole, and was cut.
    letters
        Dead letters of before a state that begins anew; they were written, and no state knows them.

    Raises
    ------
    StoreError
        When the folder is something else, in use, or of another format.
    StoreDamagedError
        When its files are not what was written.
    """

    def __init__(
        self,
        folder: Path,
        hook: Callable[[str], None] = no_hook,
        again: bool = False,
        registry: Registry = EVENTS,
    ) -> None:
        self.folder = folder
        self.registry = registry
        self.repaired = False
        self.torn = False
        self.checkpoint = empty_checkpoint(registry)
        self.letters: list[bytes] = []
        self._hook = hook
        self._again = again
        self._provenance = LogProvenance(folder)
        self._stack = ExitStack()

    def __enter__(self) -> OpenStore:
        with ExitStack() as stack:
            self._lock = stack.enter_context(FolderLock(self.folder))
            if self._again:
                clear_state(self.folder, self._lock)
            self._open_files(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._stack.close()
            return
        # What fails after a failure, such as writing on a full disk once more, is not the reason.
        with suppress(OSError, StoreDamagedError):
            self._stack.close()

    def _open_files(self, stack: ExitStack) -> None:
        topics = self.folder / TOPICS_FOLDER
        topics.mkdir(exist_ok=True)
        clear_remains(self.folder)
        self.database = Database(self.folder / STATE_FOLDER)
        stack.callback(self.database.close)
        sync_folder(self.folder)
        known = stored_checkpoint(
            self.folder, self.database, commits_of(self.folder), self.registry
        )
        self.checkpoint = self._begun() if known is None else known
        lengths, crcs = self.checkpoint.topics, self.checkpoint.crcs
        way = rebuild_way(self.folder)
        self._topics = {
            name: AppendFile(topics / f"{name}.jsonl", lengths[name], crcs[name], way)
            for name in store_topics(self.registry)
        }
        log = self.folder / LOG_FILE
        self._log = LogFile(log, self.checkpoint.log_bytes, self.checkpoint.log_crc, LOG_WAY)
        if known is None:
            self.checkpoint = replace(self.checkpoint, again_to=self._log.tail)
        stack.callback(self._log.close)
        for file in self._topics.values():
            stack.callback(file.close)
        self.torn = self._log.cut
        cut = self._log.cut or any(file.cut for file in self._topics.values())
        self.repaired = cut or bool(self._log.tail)

    def _begun(self) -> StoreCheckpoint:
        """That of a store without a state: a new one, or one to be made again."""
        self._lock.forget()
        begun = empty_checkpoint(self.registry)
        topics, crcs = dict(begun.topics), dict(begun.crcs)
        registry = self.registry
        made_again = {*output_topics(registry=registry), *host_topics(registry=registry)}
        made_again.remove(LETTERS_TOPIC)
        for topic in topics.keys() - made_again:
            lines = kept_lines(self.folder, topic, self.registry)
            kept = b"".join(line + b"\n" for line in lines)
            topics[topic], crcs[topic] = len(kept), crc32(kept)
            if topic == LETTERS_TOPIC:
                self.letters = lines
        return replace(begun, topics=topics, crcs=crcs)

    def tail(self) -> Iterator[bytes]:
        """Lines of the log beyond the checkpoint."""
        yield from self._log.lines()

    def begin(self, mark: RunMark) -> None:
        """Record that a run has begun, before it writes anything."""
        self._put(replace(self.checkpoint, run=mark))

    def commit(
        self,
        step: StoreStep,
        states: Changes,
        mark: RunMark | None,
        rebuilds: dict[str, Slot | None],
    ) -> None:
        """Write a step; all of it is there when it returns.

        Parameters
        ----------
        states
            State records that changed, and identities.
        mark
            How far the run is.
        rebuilds
            As in the checkpoint.
        """
        self._hook("before_log")
        self._log.append(bytes(step.log))
        self._log.sync()
        if step.provenance:
            found = (step.provenance.get(number, UNKNOWN) for number in range(step.records))
            self._provenance.append(self.checkpoint.log_records, found)
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
            log_crc=self._log.crc,
            topics={name: file.length for name, file in self._topics.items()},
            crcs={name: file.crc for name, file in self._topics.items()},
            rebuilds=dict(rebuilds),
            run=mark,
        )
        self._put(checkpoint, (*states, *step.changes()))
        self._hook("after_state")

    def _put(self, checkpoint: StoreCheckpoint, changes: Changes = ()) -> None:
        counted = replace(checkpoint, commits=checkpoint.commits + 1, plans={})
        plans = [
            (plan_key(group), encoded(each.stored())) for group, each in checkpoint.plans.items()
        ]
        raw = msgspec.json.encode(counted)
        # Of two changes of one key the later one counts.
        self.database.write([*plans, *changes, (CHECKPOINT_KEY, raw)])
        self.checkpoint = counted
        self._lock.count(counted.commits)


def stored_checkpoint(
    folder: Path, database: Database, commits: int, registry: Registry
) -> StoreCheckpoint | None:
    """The checkpoint of a store, None of one without any.

    Parameters
    ----------
    commits
        That it must know, at least; see `commits_of`.
    registry
        The types of the events.

    Raises
    ------
    StoreError
        When another version of Tapeline wrote it.
    StoreDamagedError
        When the database has lost some.
    """
    raw = database.get(CHECKPOINT_KEY)
    if raw is None:
        return None
    try:
        found = read_checkpoint(raw, registry)
    except ValueError as error:
        raise StoreError(f"{folder}: {error}; {rebuild_way(folder)}") from error
    if found.commits < commits:
        raise StoreDamagedError(
            f"{folder / STATE_FOLDER}: is damaged, or older than the files beside it (it knows"
            f" {found.commits} commits of {commits}); {rebuild_way(folder)}"
        )
    return found
