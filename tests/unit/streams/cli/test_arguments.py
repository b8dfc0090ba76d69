"""The order of inputs on the command line."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer

from tapeline.streams.cli.arguments import OrderedCommand, inputs_in_order

app = typer.Typer()
found: list[list[tuple[str, bool]]] = []


@app.command(cls=OrderedCommand)
def command(
    context: typer.Context,
    files: Annotated[list[str] | None, typer.Argument()] = None,
    bars: Annotated[list[str] | None, typer.Option("--bars")] = None,
    out: Annotated[str, typer.Option("--out", "-o")] = "",
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Remember what was asked for."""
    found.append(inputs_in_order(context))
    assert [text for text, is_pair in found[-1] if not is_pair] == (files or [])
    assert [text for text, is_pair in found[-1] if is_pair] == (bars or [])


CASES = {
    "nothing": ("", ""),
    "files": ("a b", "a b"),
    "pairs": ("--bars X=a --bars=Y=b", "X=a! Y=b!"),
    "a file before a pair": ("a --bars X=b", "a X=b!"),
    "a file after a pair": ("--bars X=b a", "X=b! a"),
    "a file between pairs": ("--bars X=a b --bars X=c", "X=a! b X=c!"),
    "values of other options": ("--out a --bars X=a a -o b --out=c", "X=a! a"),
    "flags": ("--json a --bars X=b", "a X=b!"),
    "after two dashes": ("--bars X=a -- --bars b", "X=a! --bars b"),
    "the same file twice": ("a --bars X=a a", "a X=a! a"),
}


@pytest.mark.parametrize(("line", "order"), CASES.values(), ids=CASES.keys())
def test_inputs_keep_their_common_order(line: str, order: str) -> None:
    app(args=line.split(), standalone_mode=False)
    shown = [f"{text}!" if is_pair else text for text, is_pair in found.pop()]
    assert shown == order.split()
