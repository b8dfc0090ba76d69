"""Topics as they should be, and how those of a cluster differ: comparison without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import catalogue


class WantedTopic(Struct, frozen=True):
    """One topic of the catalogue as a configuration wants it.

    Attributes
    ----------
    settings
        Settings of the broker by its own names; others are the operator's.
    """

    name: str
    partitions: int
    replication: int
    settings: dict[str, str]


class FoundTopic(Struct, frozen=True):
    """One topic of a cluster.

    Attributes
    ----------
    replication
        Least number of copies of a partition.
    settings
        All settings in force, the broker's defaults included.
    """

    name: str
    partitions: int
    replication: int
    settings: dict[str, str]


class SettingDifference(Struct, frozen=True):
    """One thing in which a topic is not as wanted; `found` is None when it has no such setting."""

    what: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        return f"{self.what} is {self.found}, not {self.wanted}"


class TopicReport(Struct, frozen=True):
    """The state of one topic of the catalogue.

    Attributes
    ----------
    found
        None when the cluster has no such topic, or does not show it.
    """

    wanted: WantedTopic
    found: FoundTopic | None
    differences: tuple[SettingDifference, ...]

    @property
    def state(self) -> str:
        """``missing``, ``differs`` or ``as wanted``."""
        if self.found is None:
            return "missing"
        return "differs" if self.differences else "as wanted"


def wanted_topics(kafka: KafkaConfig, registry: Registry = EVENTS) -> tuple[WantedTopic, ...]:
    """All topics of the catalogue; every one has the same number of partitions."""
    return tuple(
        WantedTopic(topic.name, kafka.partitions, kafka.replication, topic.settings)
        for topic in catalogue(kafka.topic_prefix, registry)
    )


def reports(
    wanted: Sequence[WantedTopic], found: Mapping[str, FoundTopic]
) -> tuple[TopicReport, ...]:
    """One report for each topic that is wanted, in their order."""
    return tuple(
        TopicReport(topic, found.get(topic.name), differences(topic, found.get(topic.name)))
        for topic in wanted
    )


def differences(wanted: WantedTopic, found: FoundTopic | None) -> tuple[SettingDifference, ...]:
    """In what a topic is not as wanted; nothing where there is none."""
    if found is None:
        return ()
    compared = [
        ("partitions", str(wanted.partitions), str(found.partitions)),
        ("replication", str(wanted.replication), str(found.replication)),
        *((name, value, found.settings.get(name)) for name, value in wanted.settings.items()),
    ]
    return tuple(SettingDifference(*each) for each in compared if each[1] != each[2])


def refusal(differing: Sequence[TopicReport]) -> str:
    """Why topics cannot be used as they are, with every difference and the way out."""
    lines = [
        f"{report.wanted.name}: {difference}"
        for report in differing
        for difference in report.differences
    ]
    way_out = (
        "nothing was changed; set them so, or use another [kafka] topic_prefix."
        " Another number of partitions means new topics and a rebuild by replay"
    )
    return "\n".join(["topics are there with other settings:", *lines, way_out])
