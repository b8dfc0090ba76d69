"""Secrets of feeds: from the environment or a file of their owner, into nothing that is shown."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from tapeline.schemas.config.feed_paths import secret_names
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.errors import UnusableError

HIDDEN = "***"
_LINE = re.compile(r"(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*)", re.ASCII)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretError(UnusableError):
    """A secret is missing, or its file can be read by others."""


class Secrets:
    """Values by name, and what hides them.

    Notes
    -----
    Its text form names no value, so that no log and no message can.
    """

    __slots__ = ("_bytes", "_shown", "_values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        forms = {form for value in values.values() for form in _forms(value)}
        # The longest first: one may be a part of another.
        self._shown = sorted((form for form in forms if form), key=len, reverse=True)
        self._bytes = [form.encode() for form in self._shown]

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def value(self, name: str) -> str:
        """The value of a name that `read_secrets` was asked for."""
        return self._values[name]

    def hide(self, text: str) -> str:
        """The text without any of the values."""
        for form in self._shown:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def hide_bytes(self, data: bytes) -> bytes:
        """The same for a message."""
        for form in self._bytes:
            if form in data:
                data = data.replace(form, HIDDEN.encode())
        return data


def _forms(value: str) -> tuple[str, ...]:
    """A value as it stands, in an address, and in JSON."""
    return value, quote(value, safe=""), json.dumps(value)[1:-1]


def needed_secrets(feed: FeedConfig) -> tuple[str, ...]:
    """Names of all secrets of a feed, sorted."""
    texts = [feed.url, *(value for _, value in feed.headers)]
    if feed.kind == "databento":
        texts.append("${DATABENTO_API_KEY}")
    mapping = feed.mapping
    if mapping is not None:
        texts += [step.send for step in mapping.steps]
        texts += mapping.parameters.values()
        if mapping.secret is not None:
            texts += [each for each in mapping.secret.equals if isinstance(each, str)]
        history = mapping.history
        if history is not None:
            texts += [history.url, history.next_auth]
            texts += [value for _, value in history.headers or ()]
    return tuple(sorted({name for text in texts for name in secret_names(text)}))


def read_secrets(feed: FeedConfig, environment: Mapping[str, str]) -> Secrets:
    """The secrets of a feed; the environment wins over the file.

    Raises
    ------
    SecretError
        When one is missing or cannot be sent, or others may read the file.
    """
    names = needed_secrets(feed)
    held = {} if not feed.secrets_file else _of_file(Path(feed.secrets_file))
    found = {name: environment.get(name) or held.get(name, "") for name in names}
    missing = [name for name, value in found.items() if not value]
    if missing:
        where = (
            f"the environment or {feed.secrets_file}" if feed.secrets_file else "the environment"
        )
        raise SecretError(f"feed {feed.name}: {', '.join(missing)} is not set; set it in {where}")
    for name, value in found.items():
        if not value.isprintable():
            raise SecretError(f"feed {feed.name}: {name} has characters that cannot be sent")
    return Secrets(found)


def available_secrets(feed: FeedConfig, environment: Mapping[str, str]) -> Secrets:
    """The secrets of a feed as far as they are set: enough to read messages, not to ask for any.

    Raises
    ------
    SecretError
        When others may read the file of secrets.
    """
    held = {} if not feed.secrets_file else _of_file(Path(feed.secrets_file))
    names = needed_secrets(feed)
    return Secrets({name: environment.get(name) or held.get(name, "") for name in names})


def secrets_set(feed: FeedConfig, environment: Mapping[str, str]) -> dict[str, bool]:
    """Whether each secret of a feed is set, by name.

    Raises
    ------
    SecretError
        When others may read the file of secrets.
    """
    held: Iterable[str] = () if not feed.secrets_file else _of_file(Path(feed.secrets_file))
    return {name: bool(environment.get(name)) or name in held for name in needed_secrets(feed)}


def _of_file(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise SecretError(
                f"{path}: others may read it (mode {stat.S_IMODE(mode):04o}); chmod 600 {path}"
            )
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SecretError(f"{path}: {reason}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            # Without the line: it may hold what is not to be shown.
            raise SecretError(f"{path}: line {number} is no NAME=value")
        value = match[2]
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[match[1]] = value
    return found
