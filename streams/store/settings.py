"""What the groups of a store were made with, and whether that is what is configured now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.provenance import (
    IDENTITY,
    Identity,
    IdentityError,
    check_identity,
)
from tapeline.streams.pipeline.state_values import decoded
from tapeline.streams.store.checkpoint import StoreCheckpoint
from tapeline.streams.store.database import Database
from tapeline.streams.store.layout import PLANS, StoreError, state_prefix

_DECODER = msgspec.json.Decoder(Identity)


def stored_plans(checkpoint: StoreCheckpoint, database: Database) -> dict[str, Identity]:
    """By group, the identity of the settings that its state was made with."""
    found = dict(checkpoint.plans)
    for key, value in database.scan(PLANS):
        found[key[len(PLANS) :].decode()] = _DECODER.decode(value)
    return found


def check_settings(
    config: Config,
    folder: Path,
    plans: Mapping[str, Identity],
    database: Database,
    way_out: str,
    registry: Registry = EVENTS,
) -> None:
    """Compare the identities of all groups, without reading their states.

    Parameters
    ----------
    plans
        See `stored_plans`.
    way_out
        What else there is to do than to go back to what the store was made with.
    registry
        The types of the events, with the rules that its rows bring.

    Raises
    ------
    StoreError
        When one differs: what differs, then and now.
    """
    for group, identity in plans.items():
        raw = database.get(state_prefix(group) + IDENTITY.encode())
        try:
            parts = None if raw is None else decoded(raw)
            check_identity(config, group, identity, parts, registry)
        except IdentityError as error:
            raise StoreError(
                f"{folder}: {error}; go back to what it was made with, or {way_out}"
            ) from error
