"""Scores of a generator: features, the numbers made from them, and the protocol that each number needs."""
