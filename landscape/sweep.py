"""The door: `python -m landscape.sweep [-m] KEY=VALUE ...`.

Help, the composed configuration and shell completion are Hydra's own; everything else is planned and run by
`sweeps`.
"""

from __future__ import annotations

import os
import sys

HYDRA_FLAGS = {
    "--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i", "--resolve", "-r",
    "--package", "-p", "--shell-completion", "-sc",
}  # fmt: skip


def main() -> int:
    """Returns the exit code: 0, 1 where runs failed, 2 where the command cannot be meant, 130 when interrupted."""
    arguments = sys.argv[1:]
    if any(argument.partition("=")[0] in HYDRA_FLAGS for argument in arguments):
        return _hydra()
    try:
        from sweeps.cli.sweep import main as command

        return command(arguments)
    except KeyboardInterrupt:  # while modules load; later the command itself answers
        return 130


def _hydra() -> int:
    """Hand the command line to `hydra.main`, which prints and never reaches the function below."""
    import hydra
    from hydra.core.config_store import ConfigStore

    from landscape.config.errors import EXIT_USER, UserError
    from landscape.config.schema import Schema
    from sweeps.planning.composition import validate
    from sweeps.planning.config_groups import conf_dir

    overrides = [argument for argument in sys.argv[1:] if "=" in argument and not argument.startswith("-")]
    completing = any(argument in ("-sc", "--shell-completion") for argument in sys.argv[1:])
    try:
        if any(argument in ("-m", "--multirun") for argument in sys.argv[1:]):
            raise UserError(
                "--cfg and --info show one configuration; leave out -m, or use: python -m sweeps plan -m ..."
            )
        if any(argument.startswith("study=") for argument in overrides):
            raise UserError(
                "--cfg and --info show one configuration, not a study; use: python -m sweeps plan study=NAME"
            )
        if "--" in sys.argv[1:]:
            raise UserError("-- is no flag of this program; see --help")
        validate([] if completing else overrides)
    except UserError as e:
        print(e, file=sys.stderr)
        return EXIT_USER
    ConfigStore.instance().store("schema", Schema)

    @hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")
    def printed_only(cfg: Schema) -> None:
        raise AssertionError("a Hydra flag that does not print")

    try:
        printed_only()
        sys.stdout.flush()
    except BrokenPipeError:  # piped into head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
