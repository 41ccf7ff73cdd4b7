"""Numbers from runs: tuning curves, bands, comparisons, simulations, and early stopping replayed."""
