"""Rows of the registry of events, a module a rule: struct, topic, key, growth, meaning, example."""
