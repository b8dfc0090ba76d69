"""Live feeds: what providers send becomes records of the log, with evidence for every silence."""
