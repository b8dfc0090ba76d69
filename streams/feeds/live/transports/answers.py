"""What headers and errors of HTTP say about time, pauses and faults, in words without secrets."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp

from tapeline.schemas.instants import SECOND_MS

_SECONDS = re.compile(r"\s*(\d{1,9})(?:\.\d*)?\s*", re.ASCII)


def date_of(headers: Mapping[str, str]) -> int | None:
    """Instant of the server's ``Date``; None without one, and where a cache kept the answer."""
    age = headers.get("Age", "0").strip()
    return _instant(headers.get("Date", "")) if age == "0" else None


def retry_after_of(headers: Mapping[str, str], wall_ms: int) -> int | None:
    """Milliseconds of ``Retry-After``, in either of its forms; None without a readable one.

    An HTTP date is taken against the server's own ``Date``, else against ``wall_ms``.
    """
    text = headers.get("Retry-After", "")
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return int(seconds[1]) * SECOND_MS
    until_ms = _instant(text)
    if until_ms is None:
        return None
    now_ms = _instant(headers.get("Date", ""))
    return max(until_ms - (wall_ms if now_ms is None else now_ms), 0)


def reason_of(error: BaseException) -> str:
    """A fault in a few words: never the text of the library, which may hold an address."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"answered with status {error.status} instead of an upgrade"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name of the host is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not valid for this host"
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return "the address cannot be used"
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        # Its number is one of the TLS library, not of the system.
        return "no TLS connection came about"
    if isinstance(error, aiohttp.RedirectClientError):
        return "redirected, which is not followed"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return re.sub(r"(?<!^)(?=[A-Z][a-z])", " ", type(error).__name__).lower()


def _instant(text: str) -> int | None:
    try:
        parsed: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if parsed.tzinfo is None:
        return None
    return int(parsed.timestamp()) * SECOND_MS
