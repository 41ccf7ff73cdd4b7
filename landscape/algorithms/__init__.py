"""Training algorithms: the interface to the training loop, and the GAN step with its optimizers and schedules."""
