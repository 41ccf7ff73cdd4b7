"""The configuration of a run: its schema, legal values and identity, and how a user's mistake is told. No torch."""
