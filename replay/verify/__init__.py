"""Checks of the core's promises on a recorded log: causality, determinism."""
