"""What D and G minimize: adversarial losses, and the penalties on D."""
