"""The table of indicators: what a configuration may name, and docs/indicators.md shows."""

from __future__ import annotations

from tapeline.schemas.indicators import averages, momentum, trends, volatility, volumes
from tapeline.schemas.indicators.kinds import IndicatorKind

INDICATORS: dict[str, IndicatorKind] = {
    kind.name: kind
    for kind in (
        *averages.ROWS,
        *momentum.ROWS,
        *volatility.ROWS,
        *volumes.ROWS,
        *trends.ROWS,
    )
}
"""All indicators by name, in the order of the documentation."""
