"""The security settings in the words of Faust, which makes the client of the worker's group."""

from __future__ import annotations

from typing import Any

from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

from tapeline.schemas.config.security import TOKEN, KafkaSecurity
from tapeline.streams.kafka.security import security_settings


def broker_credentials(security: KafkaSecurity) -> Any:
    """What Faust connects with; None where the connection is plain.

    Raises
    ------
    CredentialsError
        When user or password are not in the environment, or a file cannot be used.
    """
    settings = security_settings(security)
    context = settings.get("ssl_context")
    if security.sasl_mechanism == TOKEN:
        return OAuthCredentials(oauth_cb=settings["sasl_oauth_token_provider"], ssl_context=context)
    if security.by_sasl:
        return SASLCredentials(
            username=settings["sasl_plain_username"],
            password=settings["sasl_plain_password"],
            mechanism=security.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)
