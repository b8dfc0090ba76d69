"""Fold the files of a run by id: what is left is the current view.

    python examples/fold_a_run.py out [SYMBOL]

Prints the unresolved session ranges of the run, the way a service would keep them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tapeline import Event, Range, Reject, Retract, decode_event

FINISHED = ("resolved", "incomplete")


def view(folder: Path) -> dict[str, Event]:
    """Every fact of a run by its id; a retracted one is gone."""
    facts: dict[str, Event] = {}
    for path in sorted(folder.glob("tape.*.jsonl")):
        for line in path.read_bytes().splitlines():
            event = decode_event(line)
            if isinstance(event, Retract):
                facts.pop(event.id, None)
            elif not isinstance(event, Reject):
                facts[event.id] = event
    return facts


def main(arguments: list[str]) -> None:
    """Print the open ranges of a run."""
    symbol = arguments[1] if len(arguments) > 1 else None
    for fact in view(Path(arguments[0])).values():
        if not isinstance(fact, Range) or symbol not in (None, fact.symbol):
            continue
        if not fact.expired and fact.state not in FINISHED:
            print(f"{fact.symbol} {fact.kind} {fact.name}: {fact.state}, TO {fact.true_open}")


if __name__ == "__main__":
    main(sys.argv[1:])
