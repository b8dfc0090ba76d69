"""Tapeline: one ordered log of market bars in, streams that are tables too out.

This is what programs import:

    from tapeline import Bar, Replay, Subscription, Touch, run_files

Names are loaded when they are asked for, so that `import tapeline` costs next to nothing and a
consumer of topics loads neither Faust nor a database. A replay is `Replay`; `tapeline.replay` is
the folder of its parts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeline.replay.bounds import Bound as Bound
    from tapeline.replay.export import events_in as events_in
    from tapeline.replay.export import to_pandas as to_pandas
    from tapeline.replay.export import to_polars as to_polars
    from tapeline.replay.options import Keywords as Keywords
    from tapeline.replay.options import ReplayOptions as ReplayOptions
    from tapeline.replay.pace.control import Control as Control
    from tapeline.replay.run import Replay as Replay
    from tapeline.replay.sources.protocol import LogMissingError as LogMissingError
    from tapeline.replay.verify.causality import check_prefixes as check_prefixes
    from tapeline.replay.verify.causality import random_ends as random_ends
    from tapeline.schemas.codec import CodecError as CodecError
    from tapeline.schemas.codec import decode_event as decode_event
    from tapeline.schemas.codec import decode_host_event as decode_host_event
    from tapeline.schemas.codec import encode as encode
    from tapeline.schemas.config.loading import load_config as load_config
    from tapeline.schemas.config.loading import read_config as read_config
    from tapeline.schemas.config.model import Config as Config
    from tapeline.schemas.config.model import ConfigError as ConfigError
    from tapeline.schemas.config.security import KafkaSecurity as KafkaSecurity
    from tapeline.schemas.errors import TapelineError as TapelineError
    from tapeline.schemas.events import DerivedBar as DerivedBar
    from tapeline.schemas.events import Event as Event
    from tapeline.schemas.events import Gap as Gap
    from tapeline.schemas.events import Indicators as Indicators
    from tapeline.schemas.events import Output as Output
    from tapeline.schemas.events import Pair as Pair
    from tapeline.schemas.events import Prior as Prior
    from tapeline.schemas.events import Quality as Quality
    from tapeline.schemas.events import Range as Range
    from tapeline.schemas.events import Reject as Reject
    from tapeline.schemas.events import Retract as Retract
    from tapeline.schemas.events import Session as Session
    from tapeline.schemas.events import Swing as Swing
    from tapeline.schemas.events import Touch as Touch
    from tapeline.schemas.events import TouchLink as TouchLink
    from tapeline.schemas.events import WindowValue as WindowValue
    from tapeline.schemas.feed_events import Absent as Absent
    from tapeline.schemas.feed_events import Compared as Compared
    from tapeline.schemas.feed_events import Connection as Connection
    from tapeline.schemas.feed_events import Failover as Failover
    from tapeline.schemas.feed_events import FeedEvent as FeedEvent
    from tapeline.schemas.feed_events import Halt as Halt
    from tapeline.schemas.feed_events import Hole as Hole
    from tapeline.schemas.feed_events import Limit as Limit
    from tapeline.schemas.feed_events import Quiet as Quiet
    from tapeline.schemas.feed_events import Revised as Revised
    from tapeline.schemas.feed_events import Skew as Skew
    from tapeline.schemas.feed_events import Subscribed as Subscribed
    from tapeline.schemas.host_events import Account as Account
    from tapeline.schemas.host_events import Check as Check
    from tapeline.schemas.host_events import Decision as Decision
    from tapeline.schemas.host_events import Fill as Fill
    from tapeline.schemas.host_events import HostEvent as HostEvent
    from tapeline.schemas.host_events import InputRef as InputRef
    from tapeline.schemas.host_events import IssuedSignal as IssuedSignal
    from tapeline.schemas.host_events import NoteField as NoteField
    from tapeline.schemas.host_events import Order as Order
    from tapeline.schemas.host_events import Position as Position
    from tapeline.schemas.host_events import RecordRef as RecordRef
    from tapeline.schemas.host_events import SignalNote as SignalNote
    from tapeline.schemas.host_events import Span as Span
    from tapeline.schemas.host_events import StrategyState as StrategyState
    from tapeline.schemas.partition import partition_for as partition_for
    from tapeline.schemas.records import Bar as Bar
    from tapeline.schemas.records import Cancel as Cancel
    from tapeline.schemas.records import Clock as Clock
    from tapeline.streams.calendars.artefacts import calendar_checksum as calendar_checksum
    from tapeline.streams.calendars.artefacts import load_calendar as load_calendar
    from tapeline.streams.consuming.received import Removed as Removed
    from tapeline.streams.consuming.received import UnreadableEventError as UnreadableEventError
    from tapeline.streams.consuming.subscription import LostPositionError as LostPositionError
    from tapeline.streams.consuming.subscription import ResumeToken as ResumeToken
    from tapeline.streams.consuming.subscription import Subscription as Subscription
    from tapeline.streams.core.engine import GroupEngine as GroupEngine
    from tapeline.streams.core.outcome import Outcome as Outcome
    from tapeline.streams.core.rejection import RecordRejected as RecordRejected
    from tapeline.streams.embedded import run_files as run_files
    from tapeline.streams.errors import BrokerError as BrokerError
    from tapeline.streams.errors import BrokerRefusalError as BrokerRefusalError
    from tapeline.streams.errors import InputError as InputError
    from tapeline.streams.errors import TopicsError as TopicsError
    from tapeline.streams.feeds.opening import Source as Source
    from tapeline.streams.feeds.samples import sample_book as sample_book
    from tapeline.streams.feeds.samples import write_samples as write_samples
    from tapeline.streams.host.errors import LookAheadError as LookAheadError
    from tapeline.streams.host.errors import SetupError as SetupError
    from tapeline.streams.host.errors import SignalError as SignalError
    from tapeline.streams.host.strategy import Needs as Needs
    from tapeline.streams.host.strategy import Now as Now
    from tapeline.streams.host.strategy import Setup as Setup
    from tapeline.streams.host.strategy import Signal as Signal
    from tapeline.streams.host.strategy import Strategy as Strategy
    from tapeline.streams.outputs.run_folder import ForeignFolderError as ForeignFolderError
    from tapeline.streams.pipeline.drive import Drive as Drive
    from tapeline.streams.pipeline.planning import plan_group as plan_group
    from tapeline.streams.pipeline.routing import Router as Router
    from tapeline.streams.store.first_look import TooManyRefusedError as TooManyRefusedError
    from tapeline.streams.store.layout import StoreDamagedError as StoreDamagedError
    from tapeline.streams.store.layout import StoreError as StoreError

__version__ = "0.2.0"

_HOMES = {
    "Absent": "tapeline.schemas.feed_events",
    "Account": "tapeline.schemas.host_events",
    "Bar": "tapeline.schemas.records",
    "Bound": "tapeline.replay.bounds",
    "BrokerError": "tapeline.streams.errors",
    "BrokerRefusalError": "tapeline.streams.errors",
    "Cancel": "tapeline.schemas.records",
    "Check": "tapeline.schemas.host_events",
    "Clock": "tapeline.schemas.records",
    "CodecError": "tapeline.schemas.codec",
    "Compared": "tapeline.schemas.feed_events",
    "Config": "tapeline.schemas.config.model",
    "ConfigError": "tapeline.schemas.config.model",
    "Connection": "tapeline.schemas.feed_events",
    "Control": "tapeline.replay.pace.control",
    "Decision": "tapeline.schemas.host_events",
    "DerivedBar": "tapeline.schemas.events",
    "Drive": "tapeline.streams.pipeline.drive",
    "Event": "tapeline.schemas.events",
    "Failover": "tapeline.schemas.feed_events",
    "FeedEvent": "tapeline.schemas.feed_events",
    "Fill": "tapeline.schemas.host_events",
    "ForeignFolderError": "tapeline.streams.outputs.run_folder",
    "Gap": "tapeline.schemas.events",
    "GroupEngine": "tapeline.streams.core.engine",
    "Halt": "tapeline.schemas.feed_events",
    "Hole": "tapeline.schemas.feed_events",
    "HostEvent": "tapeline.schemas.host_events",
    "Indicators": "tapeline.schemas.events",
    "InputError": "tapeline.streams.errors",
    "InputRef": "tapeline.schemas.host_events",
    "IssuedSignal": "tapeline.schemas.host_events",
    "KafkaSecurity": "tapeline.schemas.config.security",
    "Keywords": "tapeline.replay.options",
    "Limit": "tapeline.schemas.feed_events",
    "LogMissingError": "tapeline.replay.sources.protocol",
    "LookAheadError": "tapeline.streams.host.errors",
    "LostPositionError": "tapeline.streams.consuming.subscription",
    "Needs": "tapeline.streams.host.strategy",
    "NoteField": "tapeline.schemas.host_events",
    "Now": "tapeline.streams.host.strategy",
    "Order": "tapeline.schemas.host_events",
    "Outcome": "tapeline.streams.core.outcome",
    "Output": "tapeline.schemas.events",
    "Pair": "tapeline.schemas.events",
    "Position": "tapeline.schemas.host_events",
    "Prior": "tapeline.schemas.events",
    "Quality": "tapeline.schemas.events",
    "Quiet": "tapeline.schemas.feed_events",
    "Range": "tapeline.schemas.events",
    "RecordRef": "tapeline.schemas.host_events",
    "RecordRejected": "tapeline.streams.core.rejection",
    "Reject": "tapeline.schemas.events",
    "Removed": "tapeline.streams.consuming.received",
    "Replay": "tapeline.replay.run",
    "ReplayOptions": "tapeline.replay.options",
    "ResumeToken": "tapeline.streams.consuming.subscription",
    "Retract": "tapeline.schemas.events",
    "Revised": "tapeline.schemas.feed_events",
    "Router": "tapeline.streams.pipeline.routing",
    "Session": "tapeline.schemas.events",
    "Setup": "tapeline.streams.host.strategy",
    "SetupError": "tapeline.streams.host.errors",
    "Signal": "tapeline.streams.host.strategy",
    "SignalError": "tapeline.streams.host.errors",
    "SignalNote": "tapeline.schemas.host_events",
    "Skew": "tapeline.schemas.feed_events",
    "Source": "tapeline.streams.feeds.opening",
    "Span": "tapeline.schemas.host_events",
    "StoreDamagedError": "tapeline.streams.store.layout",
    "StoreError": "tapeline.streams.store.layout",
    "Strategy": "tapeline.streams.host.strategy",
    "StrategyState": "tapeline.schemas.host_events",
    "Subscribed": "tapeline.schemas.feed_events",
    "Subscription": "tapeline.streams.consuming.subscription",
    "Swing": "tapeline.schemas.events",
    "TapelineError": "tapeline.schemas.errors",
    "TooManyRefusedError": "tapeline.streams.store.first_look",
    "TopicsError": "tapeline.streams.errors",
    "Touch": "tapeline.schemas.events",
    "TouchLink": "tapeline.schemas.events",
    "UnreadableEventError": "tapeline.streams.consuming.received",
    "WindowValue": "tapeline.schemas.events",
    "calendar_checksum": "tapeline.streams.calendars.artefacts",
    "check_prefixes": "tapeline.replay.verify.causality",
    "decode_event": "tapeline.schemas.codec",
    "decode_host_event": "tapeline.schemas.codec",
    "encode": "tapeline.schemas.codec",
    "events_in": "tapeline.replay.export",
    "load_calendar": "tapeline.streams.calendars.artefacts",
    "load_config": "tapeline.schemas.config.loading",
    "partition_for": "tapeline.schemas.partition",
    "plan_group": "tapeline.streams.pipeline.planning",
    "random_ends": "tapeline.replay.verify.causality",
    "read_config": "tapeline.schemas.config.loading",
    "run_files": "tapeline.streams.embedded",
    "sample_book": "tapeline.streams.feeds.samples",
    "to_pandas": "tapeline.replay.export",
    "to_polars": "tapeline.replay.export",
    "write_samples": "tapeline.streams.feeds.samples",
}
"""Module of each public name."""

__all__ = [
    "Absent",
    "Account",
    "Bar",
    "Bound",
    "BrokerError",
    "BrokerRefusalError",
    "Cancel",
    "Check",
    "Clock",
    "CodecError",
    "Compared",
    "Config",
    "ConfigError",
    "Connection",
    "Control",
    "Decision",
    "DerivedBar",
    "Drive",
    "Event",
    "Failover",
    "FeedEvent",
    "Fill",
    "ForeignFolderError",
    "Gap",
    "GroupEngine",
    "Halt",
    "Hole",
    "HostEvent",
    "Indicators",
    "InputError",
    "InputRef",
    "IssuedSignal",
    "KafkaSecurity",
    "Keywords",
    "Limit",
    "LogMissingError",
    "LookAheadError",
    "LostPositionError",
    "Needs",
    "NoteField",
    "Now",
    "Order",
    "Outcome",
    "Output",
    "Pair",
    "Position",
    "Prior",
    "Quality",
    "Quiet",
    "Range",
    "RecordRef",
    "RecordRejected",
    "Reject",
    "Removed",
    "Replay",
    "ReplayOptions",
    "ResumeToken",
    "Retract",
    "Revised",
    "Router",
    "Session",
    "Setup",
    "SetupError",
    "Signal",
    "SignalError",
    "SignalNote",
    "Skew",
    "Source",
    "Span",
    "StoreDamagedError",
    "StoreError",
    "Strategy",
    "StrategyState",
    "Subscribed",
    "Subscription",
    "Swing",
    "TapelineError",
    "TooManyRefusedError",
    "TopicsError",
    "Touch",
    "TouchLink",
    "UnreadableEventError",
    "WindowValue",
    "__version__",
    "calendar_checksum",
    "check_prefixes",
    "decode_event",
    "decode_host_event",
    "encode",
    "events_in",
    "load_calendar",
    "load_config",
    "partition_for",
    "plan_group",
    "random_ends",
    "read_config",
    "run_files",
    "sample_book",
    "to_pandas",
    "to_polars",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    # The next look-up finds it without this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
