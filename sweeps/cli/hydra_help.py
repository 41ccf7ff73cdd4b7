"""Hydra's own flags: print the composed configuration, how it was composed, or Hydra's help."""

from __future__ import annotations

import sys

HYDRA_FLAGS = {
    "--hydra-help", "--cfg", "-c", "--info", "-i", "--resolve", "-r", "--package", "-p",
}  # fmt: skip


def is_asked(arguments: list[str]) -> bool:
    """Whether a command line has a flag of Hydra."""
    return any(argument.partition("=")[0] in HYDRA_FLAGS for argument in arguments)


def show(arguments: list[str]) -> int:
    """Pass the command line to `hydra.main`, which prints; returns the exit code."""
    import hydra
    from hydra.core.config_store import ConfigStore

    from landscape.config.conf_dir import conf_dir
    from landscape.config.errors import UserError
    from landscape.config.schema import Schema
    from sweeps.errors import run_command
    from sweeps.planning.composition import validate

    overrides = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]

    ConfigStore.instance().store("schema", Schema)

    @hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")
    def printed_only(cfg: Schema) -> None:
        raise AssertionError("a Hydra flag that does not print")

    def work() -> None:
        if any(argument in ("-m", "--multirun") for argument in arguments):
            raise UserError(
                "--cfg and --info show one configuration; leave out -m, or use: python -m sweeps plan -m ..."
            )
        if any(argument.startswith("study=") for argument in overrides):
            raise UserError(
                "--cfg and --info show one configuration, not a study; use: python -m sweeps plan study=NAME"
            )
        if "--" in arguments:
            raise UserError("-- is not a flag of this program; see --help")
        validate(overrides)
        before = sys.argv
        sys.argv = [before[0], *arguments]  # which Hydra reads
        try:
            printed_only()
        finally:
            sys.argv = before

    return run_command(work, interrupted="")
