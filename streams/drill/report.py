"""What a drill found: faults, counts and checks; and whether everything holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tapeline.streams.drill.comparison import DrillDifferences
from tapeline.streams.drill.crew import FAULTS, End

SHOWN = 5


class DrillCheck(Struct, frozen=True):
    """One thing that must hold.

    Attributes
    ----------
    found
        Number of cases in which it does not.
    examples
        The first of them.
    tolerated
        They were counted, but a drill with these faults does not fail for them.
    """

    name: str
    found: int
    examples: tuple[str, ...]
    tolerated: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing was found that counts."""
        return self.found == 0 or self.tolerated


class DrillReport(Struct, frozen=True, kw_only=True):
    """The result of a drill.

    Attributes
    ----------
    prefix
        Topic prefix of the drill.
    folder
        Where logs and state of the workers are, None: removed.
    faults
        Faults brought about, by kind.
    replaced
        How often a sleeper found on waking that it was replaced, and ended.
    ends
        Ends of workers that the drill did not cause; each was started again.
    records
        In the log.
    messages
        Facts and dead letters that must be there, each once.
    identical
        Repetitions equal to the byte, which a consumer drops.
    """

    prefix: str
    folder: str | None
    seconds: float
    workers: int
    partitions: int
    seed: int
    faults: dict[str, int]
    replaced: int
    ends: tuple[End, ...]
    records: int
    messages: int
    identical: int
    checks: tuple[DrillCheck, ...]

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)


def checks_of(
    differences: DrillDifferences, uncommitted: Mapping[int, int], slept: bool
) -> tuple[DrillCheck, ...]:
    """The checks of a drill.

    Parameters
    ----------
    uncommitted
        Records after the committed offset, by partition, where there are any.
    slept
        Some worker was frozen past its session: what it had under way may come after what the
        worker that replaced it wrote, so that a table shows an earlier version of an id until it
        changes again. Who drops by `seq` does not see it.
    """
    return (
        DrillCheck(
            "uncommitted records",
            sum(uncommitted.values()),
            tuple(f"partition {each}: {count}" for each, count in sorted(uncommitted.items())),
        ),
        _check("missing ids", differences.missing),
        _check("extra ids", differences.extra),
        _check("different ids", differences.different),
        _check("repetitions that differ", differences.differing),
        _check("table view", differences.table, tolerated=slept),
        _check("holes", differences.holes),
        _check("stored state", differences.state),
    )


def report_data(report: DrillReport) -> dict[str, Any]:
    """The report as plain data, with its verdict."""
    data: dict[str, Any] = {"holds": report.holds, **msgspec.to_builtins(report)}
    data["faults"] = {kind: report.faults.get(kind, 0) for kind in FAULTS}
    data["checks"] = [{"holds": each.holds, **msgspec.to_builtins(each)} for each in report.checks]
    return data


def _check(name: str, found: Collection[str], tolerated: bool = False) -> DrillCheck:
    return DrillCheck(name, len(found), tuple(sorted(found)[:SHOWN]), tolerated and len(found) > 0)
