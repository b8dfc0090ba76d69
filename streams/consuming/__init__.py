"""The topics for programs: subscription, received events, views of topics."""
