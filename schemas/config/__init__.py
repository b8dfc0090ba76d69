"""The configuration: its model, reading it from TOML, and printing it."""
