"""Whether the groups of a store were made with the settings and the schedule of now."""

from __future__ import annotations

from pathlib import Path

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.provenance import IDENTITY, IdentityError, check_identity
from tapeline.streams.pipeline.state_values import decoded
from tapeline.streams.store.checkpoint import StoreCheckpoint
from tapeline.streams.store.database import Database
from tapeline.streams.store.layout import StoreError, state_prefix


def check_settings(
    config: Config,
    folder: Path,
    checkpoint: StoreCheckpoint,
    database: Database,
    way_out: str,
    registry: Registry = EVENTS,
) -> None:
    """Compare the identities of all groups, without reading their states.

    Parameters
    ----------
    way_out
        What else there is to do than to go back to what the store was made with.
    registry
        The types of the events, with the rules that its rows bring.

    Raises
    ------
    StoreError
        When one differs: what differs, then and now.
    """
    for group, identity in checkpoint.plans.items():
        raw = database.get(state_prefix(group) + IDENTITY.encode())
        try:
            parts = None if raw is None else decoded(raw)
            check_identity(config, group, identity, parts, registry)
        except IdentityError as error:
            raise StoreError(
                f"{folder}: {error}; go back to what it was made with, or {way_out}"
            ) from error
