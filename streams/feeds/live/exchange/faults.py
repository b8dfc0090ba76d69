"""Faults of the sample exchange, each at a second after its start."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from tapeline.schemas.config.values import with_nearest
from tapeline.streams.errors import InputError

DEFAULT_AT_S: Final = 20
LENGTHS_S: Final = {
    "cut": 0,
    "refuse": 10,
    "silence": 15,
    "late": 10,
    "halt": 10,
    "limit": 15,
    "no_history": 15,
    "clock": 60,
}
"""How long each lasts; of ``clock``, how far ahead it is put."""
FAULT_MEANINGS: Final = {
    "cut": "ends every connection",
    "refuse": "ends them and refuses new ones for 10 s",
    "silence": "keeps them, and sends nothing for 15 s",
    "late": "sends the bars of 10 s three seconds later",
    "halt": "halts the first symbol for 10 s",
    "limit": "answers requests for history with 429 for 15 s",
    "no_history": "answers requests for history with 503 for 15 s",
    "clock": "puts the clock of the exchange ahead by 60 s",
}
_FORM: Final = re.compile(r"([a-z_]+)(?:@(\d{1,6})s)?(?:\+(\d{1,6})s)?", re.ASCII)


class PlannedFault(Struct, frozen=True):
    """One fault.

    Attributes
    ----------
    at_s
        Seconds after the start.
    length_s
        How long it lasts, in seconds; of ``clock``, how far ahead it is put.
    """

    kind: str
    at_s: int
    length_s: int


def parse_fault(text: str) -> PlannedFault:
    """The fault of ``KIND``, ``KIND@20s`` or ``KIND@20s+15s``.

    Raises
    ------
    InputError
        When there is no such kind, or it is no time.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"--fault {text}: give KIND, KIND@20s or KIND@20s+15s")
    kind = match[1]
    if kind not in LENGTHS_S:
        raise InputError(f"--fault {text}: the kinds are {with_nearest(kind, list(LENGTHS_S))}")
    at_s = DEFAULT_AT_S if match[2] is None else int(match[2])
    return PlannedFault(kind, at_s, LENGTHS_S[kind] if match[3] is None else int(match[3]))
