"""Manifests of runs: reading one, and checking it against what is here now."""
