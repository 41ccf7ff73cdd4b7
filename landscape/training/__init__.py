"""The training loop and what it moves: state, batches, optimizers, schedules and checkpoints."""
