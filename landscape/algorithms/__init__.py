"""What the training loop asks of a family of models, and the families: the GAN step, its optimizers and schedules."""
