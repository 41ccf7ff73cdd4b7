"""The training loop and what it moves: state, batches, image grids and checkpoints."""
