"""Shared by all commands: the argument parser, the version, exit codes, and errors without a traceback. No torch.

Grammar: configuration keys are written KEY=VALUE, options of a command are flags, and what a command acts on (a sweep,
a run) is a positional argument. Nothing has two forms.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple, NoReturn

from landscape import __version__
from landscape.config import log
from landscape.config.completion import COMPLETE, candidates, typed_words
from landscape.config.conf_dir import conf_dir
from landscape.config.errors import CorruptFile, EarlyExit, ExitCode, UserError, nearest, os_error_text

VERSION = f"gan-landscape {__version__}"
AGAIN = "interrupted; the same command goes on from here"
ANY = "any"  # `keys` of a command that takes any configuration key
KEY = re.compile(r"(?:~|\+\+?)?([A-Za-z_][\w./@-]*)=")

logger = logging.getLogger(__name__)

Complete = Callable[[str, "argparse.Namespace"], Iterable[str]]


class Deprecated(NamedTuple):
    """A form of version 0.1 that is still accepted in 0.2."""

    form: str  # "--store" or "run="
    new: str  # "store=" for a key, "--out" for a flag, "" for a positional argument


class Parser(argparse.ArgumentParser):
    """The argument parser of all commands: argparse, plus KEY=VALUE for configuration keys.

    `keys` are the configuration keys that it accepts, or `ANY`. Invalid usage raises `UserError`. Help, version and
    shell completion are printed and raise `EarlyExit`.
    """

    def __init__(self, prog: str, about: str, keys: Sequence[str] = (), old: Sequence[Deprecated] = ()) -> None:
        super().__init__(
            prog=prog,
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.keys, self.old = keys, old
        self.allowed_groups: Sequence[str] | None = None  # if given, accept only keys of these groups
        self.completes: dict[str, Complete] = {}
        self.extra_help: Callable[[], str] = str  # further help text, made on demand
        every = self.add_argument_group("options of every command")
        every.add_argument("-h", "--help", action="help", help="show this help and exit")
        every.add_argument("--version", action="version", version=VERSION, help="show the version and exit")
        every.add_argument("-v", "--verbose", action="store_true", help="log details, with times")
        every.add_argument("-q", "--quiet", action="store_true", help="log warnings only")

    def positional(self, name: str, help: str, nargs: str | None = "?", complete: Complete | None = None) -> None:
        """Add a positional argument. `complete` lists its values for shell completion."""
        self.add_argument(name, metavar=name.upper(), help=help, nargs=nargs)
        if complete is not None:
            self.completes[name] = complete

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse the arguments. Sets the log level.

        The namespace also has `overrides`, the KEY=VALUE arguments, and `store`, the store's folder, if `store` is a
        legal key.
        """
        if COMPLETE in os.environ:
            print("\n".join(candidates(self, typed_words() or [""])))
            raise EarlyExit
        if {"-v", "--verbose", "-q", "--quiet"} & set(argv):
            log.configure(bool({"-v", "--verbose"} & set(argv)), bool({"-q", "--quiet"} & set(argv)))
        if "--" in argv:
            raise UserError("-- is not a flag of this program; see --help")
        overrides, rest = self.split(self.replace_deprecated(argv))
        given, unknown = self.parse_known_intermixed_args(rest)
        if self.keys == ANY and not self.completes:  # whoever reads the overrides checks their form
            overrides += [word for word in unknown if not word.startswith("-")]
            unknown = [word for word in unknown if word.startswith("-")]
        if unknown:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            kind = "a flag" if unknown[0].startswith("-") else "an argument"
            raise UserError(f"{unknown[0]} is not {kind} of this program{nearest(unknown[0], flags)}; see --help")
        given.overrides = overrides
        if self.keys == ANY or "store" in self.keys:
            stores = [unquoted(text.partition("=")[2]) for text in overrides if text.startswith("store=")]
            given.store = stores[-1] if stores else default("store")
            if not given.store:
                raise UserError("store= needs a folder")
        return given

    def split(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """Split into KEY=VALUE arguments and the rest. The value of a flag stays with its flag."""
        overrides, rest, owed = [], [], False
        for word in argv:
            key = None if owed else KEY.match(word)
            if key is not None and (self.keys == ANY or key[1] in self.keys):
                overrides.append(word)
            else:
                rest.append(word)
            action = self._option_string_actions.get(word)
            owed = action is not None and action.nargs != 0
        return overrides, rest

    def replace_deprecated(self, argv: Sequence[str]) -> list[str]:
        """Replace deprecated forms by the current ones. Logs a warning for each."""
        found: list[str] = []
        rest = iter(argv)
        for word in rest:
            head, equals, value = word.partition("=")
            old = next((old for old in self.old if old.form in (head, f"{head}=" if equals else None)), None)
            if old is None:
                found.append(word)
                continue
            value = value if equals else next(rest, "")
            if not value:
                raise UserError(f"{head} needs a value")
            if old.new.endswith("="):
                found.append(old.new + quoted(value))
            elif old.new:
                found.append(f"{old.new}={value}")
            else:
                found += [part for part in value.split(",") if part]
            forms = [form + "VALUE" if form.endswith("=") else f"{form} VALUE".strip() for form in old]
            logger.warning(f"{forms[0]} is deprecated and will be removed in 0.3; write {forms[1]}")
        return found

    def format_help(self) -> str:
        """argparse's help, followed by the command's own text."""
        more = self.extra_help()
        return super().format_help() + (f"\n{more}\n" if more else "")

    def error(self, message: str) -> NoReturn:
        """Raise `UserError` instead of exiting."""
        raise UserError(f"{message.removeprefix('argument ').replace(' (choose from ', '; legal: (')}; see --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise `EarlyExit` after help or version was printed."""
        raise EarlyExit


def prints_only(argv: Sequence[str]) -> bool:
    """Whether the command line only asks for help, version or completion, so that no plan is needed."""
    return COMPLETE in os.environ or bool({"-h", "--help", "--version"} & set(argv))


@cache
def default(key: str) -> Any:
    """The value of a key in `conf/config.yaml`."""
    import yaml

    return yaml.load((conf_dir() / "config.yaml").read_text(), yaml.CSafeLoader)[key]


def quoted(value: str) -> str:
    """Quote a string for Hydra's override grammar."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unquoted(value: str) -> str:
    """Remove the quotes of Hydra's override grammar."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].replace(f"\\{value[0]}", value[0]).replace("\\\\", "\\")
    return value


_outermost = True


def run_cli(
    work: Callable[[], int | None],
    *,
    interrupted: str = AGAIN,
    redact: Callable[[str], str] = str,
    disk: ExitCode = ExitCode.USER,
) -> int:
    """Run a command and return its exit code. Errors are logged without a traceback.

    `work` returns an exit code; None is 0. `redact` removes secrets from error messages. `disk` is the exit code for an
    `OSError`. A closed pipe (`| head`) is not an error.
    """
    global _outermost
    outermost, _outermost = _outermost, False
    if outermost:  # a nested command keeps the log level
        log.configure()
    try:
        code = work()
        sys.stdout.flush()
        return code or ExitCode.DONE
    except EarlyExit:
        sys.stdout.flush()
        return ExitCode.DONE
    except KeyboardInterrupt:
        if interrupted:
            logger.warning(interrupted)
        return ExitCode.INTERRUPTED
    except (UserError, CorruptFile, OSError) as e:
        if isinstance(e, BrokenPipeError) and _nobody_reads():
            return ExitCode.DONE
        logger.debug("traceback:", exc_info=True)
        logger.error(redact(os_error_text(e) if isinstance(e, OSError) else str(e)))
        return disk if isinstance(e, OSError) else ExitCode.USER
    finally:
        _outermost = outermost


def _nobody_reads() -> bool:
    """Whether the reader of standard output is gone. If so, further output is discarded."""
    asked = select.poll()
    asked.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(event & select.POLLERR for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
