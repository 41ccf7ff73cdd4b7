"""How the commands that plan and train end: `run_cli`, without the passwords of data bases."""

from __future__ import annotations

from functools import partial

from landscape.config.cli import run_cli
from sweeps.credentials import redact

run_command = partial(run_cli, redact=redact)
