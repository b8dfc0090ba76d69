"""Replay: the same core over a bounded stretch of the recorded log, at any speed.

    from tapeline.replay import Replay
    from tapeline.schemas.config.loading import load_config
    from tapeline.schemas.events import Touch

    async with Replay.topic(load_config(None), start="2025-12-09", stop="2025-12-10") as run:
        async for touch in run.events(Touch):
            ...

A replay as recorded publishes what the live worker did of the same records. `Replay.files` and
`Replay.store` read other logs; with `strategies` these run in it (`replay.hosting`),
`replay.export` makes data frames of events, `replay.pace.control` paces a replay.
"""

from tapeline.replay.options import Keywords, ReplayOptions
from tapeline.replay.run import Replay

__all__ = ["Keywords", "Replay", "ReplayOptions"]
