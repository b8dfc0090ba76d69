"""Inputs in the order of the command line, which decides between rows of equal slots."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from typer.core import TyperCommand

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source

PAIR_OPTION = "--bars"
REMEMBERED = "tapeline.arguments"


class OrderedCommand(TyperCommand):
    """A command that remembers its arguments as they were given.

    The parser sorts them into files and options, and so loses which came first.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember, then parse."""
        ctx.meta[REMEMBERED] = list(args)
        return super().parse_args(ctx, args)


def inputs_in_order(ctx: Any) -> list[tuple[str, bool]]:
    """Inputs of a command that was parsed: file or pair, and whether it is a pair."""
    options = (param for param in ctx.command.params if param.param_type_name == "option")
    valued = {name for param in options if not param.is_flag for name in param.opts}
    return list(_inputs(ctx.meta[REMEMBERED], valued))


def sources_in_order(ctx: Any) -> list[Source]:
    """Inputs of a command that was parsed, as sources.

    Raises
    ------
    InputError
        When a pair is none.
    """
    sources = []
    for text, is_pair in inputs_in_order(ctx):
        symbol, found, path = text.partition("=") if is_pair else ("", "=", text)
        if not (found and path) or (is_pair and not symbol):
            raise InputError(f"--bars {text}: give SYMBOL=FILE")
        sources.append(Source(path, symbol or None))
    return sources


def _inputs(arguments: Sequence[str], valued: Collection[str]) -> Iterator[tuple[str, bool]]:
    words = iter(arguments)
    for word in words:
        name, has_value, value = word.partition("=")
        if word == "--":
            yield from ((file, False) for file in words)
        elif name == PAIR_OPTION:
            yield (value if has_value else next(words)), True
        elif word in valued:
            next(words)
        elif word == "-" or not word.startswith("-"):
            yield word, False
