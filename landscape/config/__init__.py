"""The configuration of a run: schema, legal values, identity, and user errors. No torch."""
