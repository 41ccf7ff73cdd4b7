"""`run_cli` for commands that plan and train, with database passwords removed from error messages."""

from __future__ import annotations

from functools import partial

from landscape.config.cli import run_cli
from sweeps.credentials import redact

run_command = partial(run_cli, redact=redact)
