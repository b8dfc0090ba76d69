"""What a client is given to connect: certificates, and who it is; secrets come from here alone."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any, NoReturn

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

from tapeline.schemas.config.security import (
    PASSWORD_VARIABLE,
    TOKEN,
    USER_VARIABLE,
    KafkaSecurity,
)
from tapeline.schemas.errors import UnusableError

TOKEN_SECONDS = 30.0
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class CredentialsError(UnusableError, ValueError):
    """A user, a password or a file of the security settings that is missing or cannot be used."""


class TokenCommandError(AuthenticationFailedError, UnusableError):  # type: ignore[misc]
    """The token command gave no token; to the client it is as if the broker had refused one."""


class CommandTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens of OAUTHBEARER: what the command prints, asked for once for each connection.

    Parameters
    ----------
    limit_s
        Seconds that the command may take.
    """

    def __init__(self, command: tuple[str, ...], limit_s: float = TOKEN_SECONDS) -> None:
        self._command = command
        self._limit_s = limit_s

    async def token(self) -> str:
        """The token of a new run of the command.

        Raises
        ------
        TokenCommandError
            When the command fails or prints nothing; what it printed is not repeated.
        """
        # In a thread: the loop of a worker's client is in one that cannot wait for processes.
        return await asyncio.to_thread(self._run)

    def _run(self) -> str:
        name = f"[kafka] token_command {self._command[0]!r}"
        try:
            done = subprocess.run(
                self._command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            # Its own message has what was printed until then.
            raise TokenCommandError(f"{name} did not end in {self._limit_s:.0f} s") from None
        except OSError as error:
            raise TokenCommandError(f"{name} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            raise TokenCommandError(f"{name} ended with exit code {done.returncode}")
        token = done.stdout.decode("ascii", errors="replace").strip()
        if not token or "\ufffd" in token or any(each.isspace() for each in token):
            raise TokenCommandError(f"{name} printed no token, or more than one")
        return token


def security_settings(security: KafkaSecurity) -> dict[str, Any]:
    """Arguments of any client of aiokafka, nothing where the connection is plain.

    Raises
    ------
    CredentialsError
        When user or password are not in the environment, or a file cannot be used.
    """
    settings: dict[str, Any] = {"security_protocol": security.security_protocol}
    if security.by_tls:
        settings["ssl_context"] = tls_context(security)
    if not security.by_sasl:
        return settings
    settings["sasl_mechanism"] = security.sasl_mechanism
    logging.getLogger("aiokafka.conn").addFilter(_without_requests)
    if security.sasl_mechanism == TOKEN:
        settings["sasl_oauth_token_provider"] = CommandTokens(security.token_command)
        return settings
    user, password = os.environ.get(USER_VARIABLE, ""), os.environ.get(PASSWORD_VARIABLE, "")
    for name, value in ((USER_VARIABLE, user), (PASSWORD_VARIABLE, password)):
        if not value:
            raise CredentialsError(
                f"[kafka] sasl_mechanism {security.sasl_mechanism} needs a user and a password:"
                f" set the environment variable {name}"
            )
    return {**settings, "sasl_plain_username": user, "sasl_plain_password": password}


def tls_context(security: KafkaSecurity) -> ssl.SSLContext:
    """Whom a client trusts, and the certificate that it shows.

    Raises
    ------
    CredentialsError
        When a file is missing, is not what it should be, or a key can be read by others.
    """
    try:
        context = ssl.create_default_context(cafile=security.ca_file or None)
    except (OSError, ValueError) as error:
        raise _unusable("ca_file", security.ca_file, error, "PEM certificates") from error
    if security.cert_file:
        _check_key(security.key_file)
        try:
            # Without a function for it, a key with a password asks for it on the terminal.
            context.load_cert_chain(security.cert_file, security.key_file, _no_password)
        except ssl.SSLError as error:
            raise CredentialsError(
                f"[kafka] cert_file {security.cert_file}, key_file {security.key_file}: cannot be"
                f" used ({error.reason}); a PEM certificate and its key are needed"
            ) from error
        except OSError as error:
            raise _unusable("cert_file", security.cert_file, error, "PEM certificates") from error
    return context


def _check_key(path: str) -> None:
    try:
        mode = stat.S_IMODE(Path(path).stat().st_mode)
    except OSError as error:
        raise _unusable("key_file", path, error, "PEM keys") from error
    if mode & OTHERS:
        raise CredentialsError(
            f"[kafka] key_file {path}: others may use it (mode {mode:04o});"
            " make it its owner's alone (chmod 600)"
        )


def _unusable(key: str, path: str, error: Exception, wanted: str) -> CredentialsError:
    problem = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, ssl.SSLError):
        problem = error.reason or problem
    return CredentialsError(
        f"[kafka] {key} {path}: cannot be used ({problem}); {wanted} are needed"
    )


def _without_requests(record: logging.LogRecord) -> bool:
    """At its finest level the client logs what it sends, and a password is a part of that."""
    return record.levelno > logging.DEBUG


def _no_password() -> NoReturn:
    raise CredentialsError(
        "[kafka] key_file: the key has a password; store it without one, readable by its owner"
        " alone (chmod 600)"
    )
