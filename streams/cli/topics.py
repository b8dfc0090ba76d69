"""The part of the command line that uses a broker: topics, publish.

The Kafka client is imported by the command that needs it: a small run must start fast.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.instants import instant_text
from tapeline.streams.cli.arguments import OrderedCommand, sources_in_order
from tapeline.streams.cli.options import (
    DEFAULT_REJECTS,
    BarsOption,
    BootstrapOption,
    ConfigOption,
    FilesArgument,
    JsonOption,
    MaxRejectsOption,
    TimeUnitOption,
    TzOption,
    reject_limit_of,
)
from tapeline.streams.cli.show.progress import ProgressBar
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.terminal import (
    PlainTable,
    confirmed,
    plain_console,
    print_document,
    print_line,
)
from tapeline.streams.pipeline.refusals import refuse_beyond_limit

if TYPE_CHECKING:
    from tapeline.streams.kafka.publishing import PublishResult
    from tapeline.streams.kafka.topics import TopicReport

NOT_AS_WANTED = 1
NEWEST_RECORDS = 1_000

topics_app = typer.Typer(help="Make, describe and delete the topics.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Give the application the commands of this module."""
    app.add_typer(topics_app, name="topics")
    app.command(cls=OrderedCommand)(publish)


@topics_app.command("create")
def topics_create(
    config: ConfigOption = None, bootstrap: BootstrapOption = None, json: JsonOption = False
) -> None:
    """Make the topics that are missing; refuse when one that is there differs."""
    from tapeline.streams.kafka.administration import create_topics
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    kafka = load_config(config).kafka
    address = brokers_of(kafka, bootstrap)
    quiet_client()
    before = asyncio.run(create_topics(kafka, address))
    made = [report.wanted.name for report in before if report.found is None]
    if json:
        print_document({"created": made, "topics": len(before)}, compact=True)
        return
    for name in made:
        print_line(f"created {name}")
    print_line(f"{len(made)} topics created, {len(before) - len(made)} were there as wanted")


@topics_app.command("describe")
def topics_describe(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    records: Annotated[
        int,
        typer.Option(
            min=0, help="Compare CreateTime of so many of the newest records of each partition."
        ),
    ] = NEWEST_RECORDS,
    json: JsonOption = False,
) -> int:
    """Compare the topics with what they should be; exit code 1 when one is missing or differs.

    Of the newest records of the log those are counted whose CreateTime is not the end of their bar.
    """
    from tapeline.streams.kafka.administration import describe_topics
    from tapeline.streams.kafka.connection import brokers_of, quiet_client
    from tapeline.streams.kafka.stamp_survey import stamp_survey

    settings = load_config(config)
    kafka = settings.kafka
    address = brokers_of(kafka, bootstrap)
    quiet_client()
    reports = asyncio.run(describe_topics(kafka, address))
    # The log comes first in the catalogue.
    log = reports[0].found
    survey = None
    if log is not None and records > 0:
        survey = asyncio.run(stamp_survey(settings, address, log.partitions, records))
    if json:
        plain = [_plain(each) for each in reports]
        if survey is not None:
            plain[0] |= {"records": survey.records, "untimed": survey.untimed}
        print_document(plain)
    else:
        plain_console().print(_topics_table(reports))
        for report in reports:
            for difference in report.differences:
                print_line(f"{report.wanted.name}: {difference}")
        if survey is not None and survey.untimed:
            print_line(
                f"{reports[0].wanted.name}: CreateTime of {survey.untimed:,} of the newest"
                f" {survey.records:,} records is not the end of their bar, or the time of their"
                " clock; readers that look up by time find other offsets, results are the same"
            )
    return 0 if all(each.state == "as wanted" for each in reports) else NOT_AS_WANTED


@topics_app.command("delete")
def topics_delete(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete the topics with everything they hold, the log included."""
    from tapeline.streams.kafka.administration import delete_topics
    from tapeline.streams.kafka.connection import brokers_of, quiet_client

    kafka = load_config(config).kafka
    address = brokers_of(kafka, bootstrap)
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("topics delete: not a terminal: confirm with --yes")
        question = f"Delete all topics of prefix {kafka.topic_prefix} at {address}, and their data?"
        if not confirmed(question):
            print_line("nothing was deleted")
            return
    quiet_client()
    deleted = asyncio.run(delete_topics(kafka, address))
    if json:
        print_document({"deleted": deleted}, compact=True)
        return
    for name in deleted:
        print_line(f"deleted {name}")
    print_line(f"{len(deleted)} topics deleted")


def publish(
    context: typer.Context,
    files: FilesArgument = None,
    bars: BarsOption = None,
    speed: Annotated[str, typer.Option(help="Event time in real time: a factor, or max.")] = "max",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last record found in the topic.")
    ] = False,
    tz: TzOption = None,
    time_unit: TimeUnitOption = None,
    max_rejects: MaxRejectsOption = DEFAULT_REJECTS,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: JsonOption = False,
) -> None:
    """Feed files into the log, with clock records where bars are missing."""
    from tapeline.streams.kafka.connection import brokers_of, quiet_client
    from tapeline.streams.kafka.publishing import PublishOptions, publish_files
    from tapeline.streams.pipeline.pacing import parse_speed

    settings = load_config(config)
    address = brokers_of(settings.kafka, bootstrap)
    try:
        factor = parse_speed(speed)
    except ValueError:
        raise InputError(f"--speed {speed}: give max, or a factor from 0.1 to 100000") from None
    # `files` and `bars` are read from the context, where they have kept their common order.
    sources = sources_in_order(context)
    quiet_client()
    options = PublishOptions(factor, resume, tz, reject_limit_of(max_rejects), time_unit)
    with ProgressBar(sources) as progress:
        work = publish_files(settings, address, sources, options, progress.reporter)
        result = asyncio.run(work)
    if json:
        print_document(publish_data(result))
    else:
        _print_publication(result)
    refuse_beyond_limit(result.report)


def publish_data(result: PublishResult) -> dict[str, Any]:
    """What a publication did, as plain data."""
    return {
        "topic": result.topic,
        "partitions": result.partitions,
        "rows": result.rows,
        "published": dict(sorted(result.published.items())),
        "already_there": dict(sorted(result.already_there.items())),
        "rejects": dict(sorted(result.rejects.items())),
        "symbols": {
            symbol: {
                "partition": count.partition,
                "published": count.published,
                "last_ms": count.last_ms,
            }
            for symbol, count in sorted(result.symbols.items())
        },
        "refused": None if result.report is None else result.report.plain(),
        "ignored_columns": result.ignored_columns,
    }


def _print_publication(result: PublishResult) -> None:
    console = plain_console()
    table = PlainTable(f"Published to {result.topic}", pad_edge=True)
    table.add_column("symbol", no_wrap=True)
    for name in ("partition", "messages", "until"):
        table.add_column(name, justify="right", no_wrap=True)
    for symbol, count in sorted(result.symbols.items()):
        until = instant_text(count.last_ms)
        table.add_row(symbol or "(none)", str(count.partition), f"{count.published:,}", until)
    if result.symbols:
        console.print(table)
    print_line(f"{result.rows:,} rows; published {_counted(result.published)}")
    if result.already_there:
        print_line(f"already there: {_counted(result.already_there)}")
    if result.rejects:
        print_line(f"dead letters: {_counted(result.rejects)}")
    for path, columns in result.ignored_columns.items():
        print_line(f"{path}: ignored columns {', '.join(columns)}")
    for path in () if result.report is None else result.report.empty:
        print_line(f"{path}: has no rows")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "nothing"


def _plain(report: TopicReport) -> dict[str, Any]:
    found = report.found
    return {
        "topic": report.wanted.name,
        "state": report.state,
        "partitions": None if found is None else found.partitions,
        "replication": None if found is None else found.replication,
        "settings": {
            name: None if found is None else found.settings.get(name)
            for name in report.wanted.settings
        },
        "differences": [
            {"what": each.what, "wanted": each.wanted, "found": each.found}
            for each in report.differences
        ],
    }


def _topics_table(reports: Sequence[TopicReport]) -> PlainTable:
    table = PlainTable("Topics", pad_edge=True)
    table.add_column("topic", no_wrap=True)
    table.add_column("partitions", justify="right")
    table.add_column("copies", justify="right")
    table.add_column("state")
    for report in reports:
        found = report.found
        table.add_row(
            report.wanted.name,
            "" if found is None else str(found.partitions),
            "" if found is None else str(found.replication),
            report.state,
        )
    return table
