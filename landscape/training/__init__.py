"""The training loop, its state, data loading, checkpoints and image grids."""
