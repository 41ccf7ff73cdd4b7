"""What Hydra itself answers: help, the composed configuration, shell completion; and the version, which is ours."""

from __future__ import annotations

import sys

from landscape.config.cli import is_version

HYDRA_FLAGS = {
    "--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i", "--resolve", "-r",
    "--package", "-p", "--shell-completion", "-sc",
}  # fmt: skip


def is_asked(arguments: list[str]) -> bool:
    """Whether a command line has a flag that is Hydra's own."""
    return any(argument.partition("=")[0] in HYDRA_FLAGS for argument in arguments)


def show(arguments: list[str]) -> int:
    """Hand the command line to `hydra.main`, which prints and never reaches the function below; tell our version."""
    if is_version(arguments):
        return 0
    import hydra
    from hydra.core.config_store import ConfigStore

    from landscape.config.conf_dir import conf_dir
    from landscape.config.errors import ExitCode, UserError
    from landscape.config.schema import Schema
    from sweeps.planning.composition import validate

    overrides = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    completing = any(argument in ("-sc", "--shell-completion") for argument in arguments)
    try:
        if any(argument in ("-m", "--multirun") for argument in arguments):
            raise UserError(
                "--cfg and --info show one configuration; leave out -m, or use: python -m sweeps plan -m ..."
            )
        if any(argument.startswith("study=") for argument in overrides):
            raise UserError(
                "--cfg and --info show one configuration, not a study; use: python -m sweeps plan study=NAME"
            )
        if "--" in arguments:
            raise UserError("-- is no flag of this program; see --help")
        validate([] if completing else overrides)
    except UserError as e:
        print(e, file=sys.stderr)
        return ExitCode.USER
    from sweeps.errors import run_command

    ConfigStore.instance().store("schema", Schema)

    @hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")
    def printed_only(cfg: Schema) -> None:
        raise AssertionError("a Hydra flag that does not print")

    sys.argv[1:] = arguments  # which Hydra reads
    return run_command(printed_only, interrupted="")
