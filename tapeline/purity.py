"""Whether a strategy would give the same again from the same log, as far as its text shows.

The check that is made when a strategy is loaded, for tests of one's own.
"""

from __future__ import annotations

from tapeline.streams.host.purity import Impurity as Impurity
from tapeline.streams.host.purity import foreign_imports as foreign_imports
from tapeline.streams.host.purity import impurities as impurities
