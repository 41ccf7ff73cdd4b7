"""G and D: architectures, normalizers and latents."""
