"""A PostgreSQL server of its own for a test, in a temporary folder, or the reason why there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from started import unmarked

PASSWORD = "s3cret/pass"


def binaries() -> Path | None:
    """Debian's folder of the server's programs, or that on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def why_not() -> str | None:
    """Why no server can be started here."""
    if binaries() is None:
        return "PostgreSQL is not installed"
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        return "psycopg2 is not installed"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def server() -> Iterator[str]:
    """A running server that asks for a password; yields its URL, password included."""
    programs = binaries()
    assert programs is not None
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        secret = folder / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)

        def call(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [str(programs / program), *arguments],
                user=user,
                cwd=folder,
                env=unmarked(),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        data = str(folder / "data")
        call("initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://me:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")
