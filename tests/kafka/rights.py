"""Rights of users of a broker with ACLs: what some are denied, and the least that others need."""

from __future__ import annotations

from tapeline.schemas.topics import (
    changelog_topic,
    host_state_topic,
    host_topics,
    input_log,
    snapshot_topic,
    topic_of,
    worker_app_id,
    worker_topics,
)
from tapeline.streams.hosting.cluster import host_group
from tapeline.streams.kafka.lease import lease_group
from tests.kafka.secured import (
    ALLOW,
    CREATE,
    DENY,
    DESCRIBE,
    DESCRIBE_CONFIGS,
    GROUP,
    LITERAL,
    PREFIXED,
    READ,
    TOPIC,
    WRITE,
    Acl,
)

PREFIX = "tape"
OF_FEED = "tj"
DENIED: dict[str, tuple[str, tuple[Acl, ...]]] = {
    # By user: the prefix of its topics, and what it may not do there. Workers and feeds have
    # their own.
    "no_read": ("ta", ((TOPIC, "ta", PREFIXED, READ, DENY),)),
    "no_group": ("tb", ((GROUP, "tb", PREFIXED, READ, DENY),)),
    "no_output": ("tc", ((TOPIC, topic_of("derived_bar", "tc"), LITERAL, WRITE, DENY),)),
    "no_changelog": ("td", ((TOPIC, changelog_topic("td"), LITERAL, READ, DENY),)),
    "no_write": ("ta", ((TOPIC, input_log("ta"), LITERAL, WRITE, DENY),)),
    "no_topic": ("ta", ((TOPIC, "ta", PREFIXED, WRITE, DENY),)),
    "no_create": ("ta", ((TOPIC, "ta", PREFIXED, CREATE, DENY),)),
    "no_settings": ("ta", ((TOPIC, "ta", PREFIXED, DESCRIBE_CONFIGS, DENY),)),
    "no_lease": ("tf", ((GROUP, lease_group("demo", "tf"), LITERAL, READ, DENY),)),
    "no_reading": ("tg", ((TOPIC, input_log("tg"), LITERAL, READ, DENY),)),
    "no_bars": ("th", ((TOPIC, input_log("th"), LITERAL, WRITE, DENY),)),
    "no_events": ("ti", ((TOPIC, topic_of("hole", "ti"), LITERAL, WRITE, DENY),)),
}
OF_WORKERS = ("no_read", "no_group", "no_output", "no_changelog")
OF_FEEDS = ("no_lease", "no_reading", "no_bars", "no_events")
LEAST: dict[str, list[Acl]] = {
    # What commands need by docs/operations.md, by user.
    "maker": [
        *((TOPIC, PREFIX, PREFIXED, each, ALLOW) for each in (CREATE, DESCRIBE, DESCRIBE_CONFIGS)),
        (TOPIC, input_log(PREFIX), LITERAL, READ, ALLOW),
    ],
    "feeder": [
        (TOPIC, name, LITERAL, WRITE, ALLOW)
        for name in (input_log(PREFIX), topic_of("reject", PREFIX))
    ],
    "worker": [
        *((TOPIC, PREFIX, PREFIXED, each, ALLOW) for each in (DESCRIBE, DESCRIBE_CONFIGS)),
        *(
            (TOPIC, name, LITERAL, READ, ALLOW)
            for name in (input_log(PREFIX), changelog_topic(PREFIX))
        ),
        *(
            (TOPIC, name, LITERAL, WRITE, ALLOW)
            for name in worker_topics(PREFIX)
            if name != input_log(PREFIX)
        ),
        (GROUP, worker_app_id(PREFIX), LITERAL, READ, ALLOW),
    ],
    "host": [
        *((TOPIC, PREFIX, PREFIXED, each, ALLOW) for each in (DESCRIBE, DESCRIBE_CONFIGS)),
        *(
            (TOPIC, name, LITERAL, READ, ALLOW)
            for name in (input_log(PREFIX), snapshot_topic(PREFIX), host_state_topic(PREFIX))
        ),
        *(
            (TOPIC, name, LITERAL, WRITE, ALLOW)
            for name in (*host_topics(PREFIX), host_state_topic(PREFIX))
        ),
        (GROUP, host_group(PREFIX), LITERAL, READ, ALLOW),
    ],
    "reader": [(TOPIC, topic_of("derived_bar", PREFIX), LITERAL, READ, ALLOW)],
    "replayer": [
        (TOPIC, name, LITERAL, READ, ALLOW) for name in (input_log(PREFIX), snapshot_topic(PREFIX))
    ],
    "ingester": [
        *(
            (TOPIC, name, LITERAL, each, ALLOW)
            for name in (input_log(OF_FEED), topic_of("hole", OF_FEED))
            for each in (READ, WRITE)
        ),
        (TOPIC, topic_of("reject", OF_FEED), LITERAL, WRITE, ALLOW),
        (GROUP, lease_group("demo", OF_FEED), LITERAL, READ, ALLOW),
    ],
}
