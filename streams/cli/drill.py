"""The part of the command line that runs a drill: workers on a real cluster, ended in every way."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.errors import DIFFERENT
from tapeline.streams.cli.options import BootstrapOption, ConfigOption, JsonOption
from tapeline.streams.outputs.terminal import (
    PlainConsole,
    PlainTable,
    plain_console,
    print_document,
    status_line,
)

if TYPE_CHECKING:
    from tapeline.schemas.config.model import KafkaConfig
    from tapeline.streams.drill.drill import DrillOptions, DrillProgress, ShowProgress
    from tapeline.streams.drill.report import DrillCheck, DrillReport

MEANINGS = {
    "kill": "SIGKILL, store kept",
    "wipe": "SIGKILL, store wiped",
    "drain": "SIGTERM and return",
    "sleep": "SIGSTOP past the session, woken",
    "join": "one more worker joins and leaves",
}


def add_to(app: typer.Typer) -> None:
    """Give the application the command of this module."""
    app.command()(drill)


def drill(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    kill_every: Annotated[
        float,
        typer.Option(min=1, max=3_600, metavar="SECONDS", help="Between two faults, on average."),
    ] = 10.0,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=600, help="How long records come and faults happen.")
    ] = 2.0,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the books and of the faults.")] = 7,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Workers join without static membership.")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Workers write whole chunks, without waits between steps."),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave topics and the workers' logs behind.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Kill workers on your cluster, in topics of its own, and check that nothing is lost."""
    from tapeline.streams.drill.drill import DrillOptions
    from tapeline.streams.drill.report import report_data
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    kafka = load_config(config).kafka
    kafka = msgspec.structs.replace(kafka, bootstrap=brokers_of(kafka, bootstrap).bootstrap)
    quiet_client()
    options = DrillOptions(
        kill_every_s=kill_every,
        minutes=minutes,
        workers=workers,
        seed=seed,
        dynamic=dynamic,
        plain=plain,
        keep=keep,
    )
    with _shown() as show_progress:
        try:
            report = asyncio.run(_run(kafka, options, show_progress))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    if json:
        print_document(report_data(report))
    else:
        print_report(plain_console(), report)
    return 0 if report.holds else DIFFERENT


async def _run(
    kafka: KafkaConfig, options: DrillOptions, show_progress: ShowProgress
) -> DrillReport:
    """The drill; whatever ends the command ends its workers and topics, too."""
    from tapeline.streams.drill.drill import run_drill

    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(each, task.cancel)
    return await run_drill(kafka, options, show_progress)


@contextmanager
def _shown() -> Iterator[ShowProgress]:
    """What a drill calls now and then: a line on a terminal, nothing anywhere else."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    with status_line("drill") as show:

        def show_line(progress: DrillProgress) -> None:
            show(
                f"{progress.doing}: {progress.seconds:.0f} s, {progress.records:,} records, "
                f"{progress.faults} faults"
            )

        yield show_line


def print_report(console: PlainConsole, report: DrillReport) -> None:
    """Faults, counts and checks as tables, and the verdict."""
    faults = PlainTable("Faults", pad_edge=True)
    faults.add_column("fault")
    faults.add_column("times", justify="right")
    for kind, meaning in MEANINGS.items():
        faults.add_row(meaning, str(report.faults.get(kind, 0)))
    console.print(faults)
    checks = PlainTable("Checks", pad_edge=True)
    checks.add_column("check", no_wrap=True)
    checks.add_column("found", justify="right")
    checks.add_column("verdict", no_wrap=True)
    for check in report.checks:
        checks.add_row(check.name, f"{check.found:,}", _verdict(check))
    console.print(checks)
    for check in report.checks:
        for example in check.examples:
            console.print(f"{check.name}: {example}")
    for end in report.ends:
        console.print(f"worker {end.instance} ended with {end.code} by itself: {end.said}")
    if report.folder is not None:
        console.print(f"left behind: topics {report.prefix}.*, logs and state in {report.folder}")
    console.print(
        f"{report.workers} workers, {report.partitions} partitions, {report.seconds:.0f} s: "
        f"{report.records:,} records, {report.messages:,} facts and dead letters, "
        f"{report.identical:,} repeated to the byte"
    )
    console.print("everything holds" if report.holds else "something does not hold")


def _verdict(check: DrillCheck) -> str:
    if check.found == 0:
        return "holds"
    return "tolerated: a worker slept" if check.tolerated else "FAILED"
