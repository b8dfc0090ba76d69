"""The part of the command line that verifies: tapeline verify."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from msgspec import structs

from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.replay.verify.causality import CausalityReport, Finding
from tapeline.replay.verify.determinism import (
    HOSTED_VARIATIONS,
    VARIATIONS,
    DeterminismReport,
    VariantOutcome,
    check_determinism,
)
from tapeline.replay.verify.prefixes import check_causality
from tapeline.replay.verify.recursion import RecursionReport, check_recursion
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import DIFFERENT
from tapeline.schemas.instants import instant_text
from tapeline.streams.cli.arguments import OrderedCommand
from tapeline.streams.cli.options import JsonOption
from tapeline.streams.cli.replay_options import of_a_stretch, origin_of, stretch_of
from tapeline.streams.cli.strategy_options import (
    SettingOption,
    StrategyOption,
    UnsafeOption,
    choice_of,
)
from tapeline.streams.kafka.connection import quiet_client
from tapeline.streams.outputs.terminal import (
    PlainTable,
    plain_console,
    print_document,
    print_line,
    progress_bar,
)

SHOWN_BYTES = 400

verify_app = typer.Typer(
    help="Prove that replays hold: no rewritten readings, the same bytes anywhere.",
    no_args_is_help=True,
)


@verify_app.command(cls=OrderedCommand)
@of_a_stretch
def causality(
    context: typer.Context,
    prefixes: Annotated[
        int, typer.Option(min=1, help="Prefixes to replay, ending at random records.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Another seed, other ends.")] = 7,
    strategy: StrategyOption = None,
    settings: SettingOption = None,
    unsafe: UnsafeOption = False,
    json: JsonOption = False,
) -> None:
    """Count what was published and later rewritten without a correction; 0, or exit code 1."""
    config, origin, options = _asked_for(context)
    options = structs.replace(options, strategies=choice_of(context.params))
    with _counting("Prefixes", prefixes) as progress:
        report = asyncio.run(
            check_causality(
                config,
                lambda: source_of(config, origin).source,
                options,
                prefixes,
                seed,
                progress,
            )
        )
    if json:
        print_document(causality_data(report))
    else:
        _print_causality(report)
    if not report.clean:
        raise typer.Exit(DIFFERENT)


@verify_app.command(cls=OrderedCommand)
@of_a_stretch
def determinism(
    context: typer.Context,
    strategy: StrategyOption = None,
    settings: SettingOption = None,
    unsafe: UnsafeOption = False,
    json: JsonOption = False,
) -> None:
    """Replay with other hash seeds, zones, fetch sizes, splits; equal bytes, or exit code 1."""
    config, origin, options = _asked_for(context)
    choice = choice_of(context.params)
    options = structs.replace(options, strategies=choice)
    variations = VARIATIONS if choice is None else HOSTED_VARIATIONS
    progress = None if json else _print_outcome
    report = check_determinism(config, origin, options, variations, progress)
    if json:
        print_document(determinism_data(report))
    elif report.equal:
        print_line(f"Deterministic: {len(report.outcomes)} runs, equal to the byte.")
    else:
        print_line("NOT deterministic.")
    if not report.equal:
        raise typer.Exit(DIFFERENT)


@verify_app.command(cls=OrderedCommand)
@of_a_stretch
def recursion(
    context: typer.Context,
    starts: Annotated[
        int, typer.Option(min=1, help="Later sessions to begin with, evenly spread.")
    ] = 5,
    json: JsonOption = False,
) -> None:
    """Measure when indicators stop to depend on where history begins; exit code 1 if too late."""
    settings, origin, options = _asked_for(context)
    report = asyncio.run(
        check_recursion(settings, lambda: source_of(settings, origin).source, options, starts)
    )
    if json:
        print_document({"clean": report.clean, **msgspec.to_builtins(report)})
    else:
        _print_recursion(report)
    if not report.clean:
        raise typer.Exit(DIFFERENT)


def _asked_for(context: typer.Context) -> tuple[Config, Origin, ReplayOptions]:
    """What is replayed; the client keeps quiet meanwhile."""
    settings = load_config(context.params["config"])
    quiet_client()
    return settings, origin_of(context, settings), stretch_of(settings, context.params)


@contextmanager
def _counting(what: str, total: int) -> Iterator[Any]:
    """A bar on a terminal; yields what to call with a number."""
    if not sys.stderr.isatty():
        yield None
        return
    with progress_bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def causality_data(report: CausalityReport) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "clean": report.clean,
        "records": report.records,
        "events": report.events,
        "prefixes": len(report.ends),
        "ends": list(report.ends),
        "rewritten": report.rewritten,
        "repainted_prefixes": report.repainted_ends,
        "different_prefixes": list(report.different),
        "findings": [msgspec.to_builtins(each) for each in report.findings],
    }


def _print_causality(report: CausalityReport) -> None:
    total = sum(report.rewritten.values())
    print_line(
        f"{len(report.ends)} prefixes of {report.records} records and {report.events} events:"
        f" {total} rewritten readings."
    )
    if report.rewritten:
        table = PlainTable()
        table.add_column("type")
        table.add_column("rewritten", justify="right")
        for kind, count in report.rewritten.items():
            table.add_row(kind, str(count))
        plain_console().print(table)
        print_line(f"{report.repainted_ends} prefixes end between a reading and its rewriting.")
    for finding in report.findings:
        print_line(_finding_text(finding))
    if report.different:
        ends = ", ".join(map(str, report.different[:10]))
        print_line(
            f"{len(report.different)} prefixes are not what the longer run begins with"
            f" (of {ends} records): it knew what came later."
        )


def _finding_text(finding: Finding) -> str:
    read = instant_text(finding.old.watermark_ms)
    if finding.new is None:
        what = "never there in the longer run"
    else:
        what = f"changed {', '.join(finding.fields)}" if finding.fields else "taken back"
    return (
        f"{finding.id}: read at {read} (record {finding.read}), {what} (record {finding.rewritten})"
    )


def determinism_data(report: DeterminismReport) -> dict[str, Any]:
    """The report as plain data."""
    found: dict[str, Any] = msgspec.to_builtins(report)
    return {"equal": report.equal, **found}


def _print_outcome(outcome: VariantOutcome) -> None:
    found = outcome.difference
    state = "equal" if found is None else "DIFFERENT"
    print_line(f"{state:9} {outcome.events} events: {outcome.variation.name}")
    if found is not None:
        print_line(f"  first difference: {found.what}")
        print_line(f"    first run: {_short(found.first)}")
        print_line(f"    this run:  {_short(found.now)}")


def _short(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    return text if len(text) <= SHOWN_BYTES else f"{text[:SHOWN_BYTES]}..."


def _print_recursion(report: RecursionReport) -> None:
    for symbol, sessions in report.starts.items():
        print_line(f"{symbol}: run again from {', '.join(sessions)}")
    table = PlainTable()
    for head in ("symbol", "key"):
        table.add_column(head)
    for head in ("bars", "equal from bar", "warm from bar", "unequal runs", "different"):
        table.add_column(head, justify="right")
    for each in report.keys:
        counts = (each.equal_from, each.warm_from)
        shown = ["never" if count is None else str(count) for count in counts]
        counted = (str(each.unequal), str(each.different))
        table.add_row(each.symbol, each.key, str(each.bars), *shown, *counted)
    plain_console().print(table)
    different = sum(each.different for each in report.keys)
    print_line(f"{different} values differ that are neither cold nor warming.")


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.add_typer(verify_app, name="verify")
