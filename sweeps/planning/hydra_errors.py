"""Errors of Hydra and OmegaConf as one-sentence user errors.

Besides their own errors their parsers, functions and resolvers let through whatever Python raises (a step of 0 in a
range, too deep nesting, a number of 5,000 digits), so every exception there counts as a user error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from landscape.config.errors import UserError


@contextmanager
def refused(text: str) -> Iterator[None]:
    """Turn every exception within the block, about the typed `text`, into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as e:
        said = sentence(e)
        raise UserError(said if said.startswith(text) else f"{shortened(text)}: {said}") from e


def sentence(error: BaseException) -> str:
    """An error on one line, with its cause if it has one, without hints on syntax."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or refers to itself"
    if error.__cause__ is not None and str(error).startswith("Error merging override"):
        return f"{str(error).removeprefix('Error merging override ')}: {sentence(error.__cause__)}"
    lines = [shortened(line.strip()) for line in str(error).splitlines() if line.strip()]
    keep = [line for line in lines if not line.startswith(("To append", "object_type=", "reference_type="))]
    return "; ".join(keep).replace("; full_key: ", ": ") or type(error).__name__


def shortened(text: str) -> str:
    """What was typed, shortened to 200 characters on one line."""
    text = text.replace("\n", "\\n")
    return text if len(text) <= 200 else f"{text[:150]} ... ({len(text)} characters)"
