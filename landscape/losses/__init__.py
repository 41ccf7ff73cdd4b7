"""Objectives of D and G: adversarial losses, and penalties on either."""
