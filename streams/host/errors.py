"""What a strategy is refused, and what its state is refused for."""

from __future__ import annotations

from tapeline.schemas.errors import BrokenPromiseError, InternalError, UnusableError


class LookAheadError(InternalError, AssertionError):
    """A strategy was about to get something from the future: a bug."""


class SetupError(UnusableError, ValueError):
    """A strategy that cannot run with this configuration, or refuses to."""


class SignalError(UnusableError, ValueError):
    """A signal, a cancel or a replacement that is none; the strategy that made it fails."""


class NotInNeedsError(UnusableError, KeyError):
    """A strategy reads what it did not name in its `Needs`."""

    def __str__(self) -> str:
        return str(self.args[0])


class MemoryRefusedError(UnusableError, ValueError):
    """The memory of a strategy is no plain data, or too large."""


class OtherVersionError(UnusableError, ValueError):
    """State that another version of a strategy left, or one that failed.

    Attributes
    ----------
    names
        The strategies.
    """

    def __init__(self, names: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.names = names

    def __reduce__(self) -> tuple[type[OtherVersionError], tuple[tuple[str, ...], str]]:
        return (type(self), (self.names, str(self)))


class HostStateError(BrokenPromiseError, ValueError):
    """Records of the state of a host are missing, or do not go together."""
