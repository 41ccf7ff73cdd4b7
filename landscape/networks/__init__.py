"""G, D and lenses: architectures, normalizers and latents."""
