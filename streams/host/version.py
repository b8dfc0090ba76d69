"""Version of a strategy: what its signals depend on beside the log."""

from __future__ import annotations

import hashlib

import msgspec

from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.streams.host.sources import StrategySource

DIGITS = 12


def strategy_version(source: StrategySource, class_name: str, strategy: StrategyConfig) -> str:
    """First 12 hexadecimal digits of SHA-256 over source and configuration.

    Of the configuration all counts but where the file lies, and `enabled`, `muted` and `begin`.

    Parameters
    ----------
    source
        Its file, and the modules of its folder that it imports.
    class_name
        Of its class in the file.
    """
    content = {
        "class": class_name,
        "source": source.texts,
        "symbols": sorted(strategy.symbols),
        "account": strategy.account,
        "on_fault": strategy.on_fault,
        "allow": sorted(strategy.allow),
        "note_sessions": strategy.note_sessions,
        "settings": strategy.settings,
    }
    text = msgspec.json.encode(content, order="sorted")
    return hashlib.sha256(text).hexdigest()[:DIGITS]
