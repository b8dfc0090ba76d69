"""How the core refuses a record."""

from __future__ import annotations

from tapeline.schemas.errors import InternalError


class RecordRejected(InternalError):
    """A record that must become a dead letter; the engine is as it was before.

    Attributes
    ----------
    code
        Stable code of docs/rules.md 6.
    reason
        The rule and the value that broke it, in words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
