"""What the groups of a store were made with, and whether that is what is configured now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.additions import config_of
from tapeline.streams.pipeline.differences import refusal
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    IDENTITY,
    Identity,
    IdentityError,
    Parts,
    check_identity,
    identity_over,
    identity_parts,
)
from tapeline.streams.pipeline.state_values import decoded
from tapeline.streams.store.checkpoint import StoreCheckpoint
from tapeline.streams.store.database import Database
from tapeline.streams.store.layout import PLANS, StoreError, state_prefix

TAKEN_OVER = (
    "a run of the store takes other indicators and windows, and more derived intervals, over"
)
UNSHOWN = "days too far back to be named"
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
        try:
            check_identity(config, group, identity, _parts(database, group), registry)
        except IdentityError as error:
            if error.found.others:
                raise _refused(folder, error, way_out) from error
            raise StoreError(
                f"{folder}: {error}; go back to what it was made with, or {way_out}; {TAKEN_OVER}"
            ) from error


def earlier_settings(
    config: Config,
    folder: Path,
    plans: Mapping[str, Identity],
    database: Database,
    way_out: str,
    registry: Registry = EVENTS,
) -> dict[str, Config]:
    """Groups to run again from their bars: their settings differ in additions alone.

    Returns
    -------
    dict[str, Config]
        By group the configuration that it was made with; see `config_of`.

    Raises
    ------
    StoreError
        When one differs in more than that: what differs, then and now.
    """
    found: dict[str, Config] = {}
    for group, identity in plans.items():
        parts = _parts(database, group)
        try:
            check_identity(config, group, identity, parts, registry)
        except IdentityError as error:
            earlier = _earlier(config, group, identity, parts, registry)
            if earlier is None:
                raise _refused(folder, error, way_out) from error
            found[group] = earlier
    return found


def _refused(folder: Path, error: IdentityError, way_out: str) -> StoreError:
    """What is refused whatever else differs, and what to do."""
    found = error.found
    text = refusal(error.group, found.others or [UNSHOWN])
    note = f" ({TAKEN_OVER} where nothing else differs)" if found.added else ""
    return StoreError(f"{folder}: {text}; go back to what it was made with, or {way_out}{note}")


def _earlier(
    config: Config, group: str, identity: Identity, parts: Parts | None, registry: Registry
) -> Config | None:
    if parts is None:
        return None
    try:
        plan = plan_group(config, group, registry)
    except LookupError:
        return None
    now = identity_over(config, plan, identity.first, identity.last)
    earlier = config_of(config, parts, identity_parts(config, plan, now, parts.get("rows_from")))
    if earlier is None:
        return None
    then = identity_over(
        earlier, plan_group(earlier, group, registry), identity.first, identity.last
    )
    # What its parts do not show, an older month for one, may differ all the same.
    return earlier if then == identity else None


def _parts(database: Database, group: str) -> Parts | None:
    raw = database.get(state_prefix(group) + IDENTITY.encode())
    return None if raw is None else decoded(raw)
