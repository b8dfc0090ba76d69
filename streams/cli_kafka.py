"""The part of the command line that speaks to a broker: topics, publish.

The Kafka client is imported by the command that needs it: a small run must start fast.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.config_loading import load_config
from streams.feeds.items import InputError

if TYPE_CHECKING:
    from streams.kafka.topics import TopicReport

NOT_AS_WANTED = 1

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file; ./tapeline.toml if it is there."),
]
BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Brokers; else [kafka] bootstrap."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]

topics_app = typer.Typer(help="Make, describe and delete the topics.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Give the application the commands of this module."""
    app.add_typer(topics_app, name="topics")


@topics_app.command("create")
def topics_create(
    config: ConfigOption = None, bootstrap: BootstrapOption = None, json: JsonOption = False
) -> None:
    """Make the topics that are missing; refuse when one that is there differs."""
    from streams.kafka.administration import create_topics
    from streams.kafka.connection import broker_address, silence_client

    kafka = load_config(config).kafka
    address = broker_address(kafka, bootstrap)
    silence_client()
    before = asyncio.run(create_topics(kafka, address))
    made = [report.wanted.name for report in before if report.found is None]
    if json:
        typer.echo(orjson.dumps({"created": made, "topics": len(before)}).decode())
        return
    for name in made:
        typer.echo(f"created {name}")
    typer.echo(f"{len(made)} topics created, {len(before) - len(made)} were there as wanted")


@topics_app.command("describe")
def topics_describe(
    config: ConfigOption = None, bootstrap: BootstrapOption = None, json: JsonOption = False
) -> int:
    """Compare the topics with what they shall be; exit code 1 when one is missing or differs."""
    from streams.kafka.administration import describe_topics
    from streams.kafka.connection import broker_address, silence_client

    kafka = load_config(config).kafka
    address = broker_address(kafka, bootstrap)
    silence_client()
    reports = asyncio.run(describe_topics(kafka, address))
    if json:
        options = orjson.OPT_INDENT_2
        typer.echo(orjson.dumps([_plain(each) for each in reports], option=options).decode())
    else:
        Console(markup=False, emoji=False).print(_topics_table(reports))
        for report in reports:
            for difference in report.differences:
                typer.echo(f"{report.wanted.name}: {difference}")
    return 0 if all(each.state == "as wanted" for each in reports) else NOT_AS_WANTED


@topics_app.command("delete")
def topics_delete(
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete the topics with everything they hold, the log included."""
    from streams.kafka.administration import delete_topics
    from streams.kafka.connection import broker_address, silence_client

    kafka = load_config(config).kafka
    address = broker_address(kafka, bootstrap)
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("topics delete: nobody is there to ask; say --yes")
        question = f"Delete all topics of prefix {kafka.topic_prefix} at {address}, and their data?"
        if not typer.confirm(question):
            typer.echo("nothing was deleted")
            return
    silence_client()
    deleted = asyncio.run(delete_topics(kafka, address))
    if json:
        typer.echo(orjson.dumps({"deleted": deleted}).decode())
        return
    for name in deleted:
        typer.echo(f"deleted {name}")
    typer.echo(f"{len(deleted)} topics deleted")


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


def _topics_table(reports: Sequence[TopicReport]) -> Table:
    table = Table(title="Topics", title_justify="left", box=SIMPLE_HEAD)
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
