"""The commands: one module each, which reads arguments, calls the rest and prints."""
