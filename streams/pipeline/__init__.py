"""What every driver shares: planning, routing, identity of settings, summary, pacing."""
