"""Scores of a generator: feature extractors, metrics, and the protocol that defines each score."""
