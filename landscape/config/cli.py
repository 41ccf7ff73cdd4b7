"""What every command shares: one parser, its version, how it ends, and a sentence in place of a traceback. No torch.

The grammar: what `conf/` knows is written KEY=VALUE; what a command does beside it is a flag; what it is about (a
sweep, a run) stands by itself. No thing has two forms.
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
from landscape.config.errors import Answered, CorruptFile, ExitCode, UserError, in_words, nearest

VERSION = f"gan-landscape {__version__}"
AGAIN = "interrupted; the same command goes on from here"
ANY = "any"  # in the place of the keys that a command takes: all of the configuration
KEY = re.compile(r"(?:~|\+\+?)?([A-Za-z_][\w./@-]*)=")

logger = logging.getLogger(__name__)

Complete = Callable[[str, "argparse.Namespace"], Iterable[str]]


class Old(NamedTuple):
    """A form of the commands of version 0.1, which still works in 0.2: what it was, and what is written now."""

    form: str  # "--store" or "run="
    new: str  # "store=" for a key, "--out" for a flag, "" for what stands by itself


class Parser(argparse.ArgumentParser):
    """The one parser of all commands: flags and words as argparse has them, and KEY=VALUE for what `conf/` knows.

    `keys` names the keys that it takes, or is `ANY`. What is invalid is a `UserError`; help, version and a shell's
    completion are printed and leave as `Answered`.
    """

    def __init__(self, prog: str, about: str, keys: Sequence[str] = (), old: Sequence[Old] = ()) -> None:
        super().__init__(
            prog=prog,
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.keys, self.old = keys, old
        self.takes: Sequence[str] | None = None  # of all keys those of these groups alone
        self.completes: dict[str, Complete] = {}
        self.more: Callable[[], str] = str  # of the help, made when it is asked for
        every = self.add_argument_group("of every command")
        every.add_argument("-h", "--help", action="help", help="show this and end")
        every.add_argument("--version", action="version", version=VERSION, help="show the version and end")
        every.add_argument("-v", "--verbose", action="store_true", help="log details too, with times")
        every.add_argument("-q", "--quiet", action="store_true", help="log warnings alone")

    def word(self, name: str, help: str, nargs: str | None = "?", complete: Complete | None = None) -> None:
        """What the command is about, which stands by itself; `complete` knows what there is."""
        self.add_argument(name, metavar=name.upper(), help=help, nargs=nargs)
        if complete is not None:
            self.completes[name] = complete

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments as argparse has them, and those KEY=VALUE as `overrides` and (the folder) `store`.

        How much is logged is set by them.
        """
        if COMPLETE in os.environ:
            print("\n".join(candidates(self, typed_words() or [""])))
            raise Answered
        if {"-v", "--verbose", "-q", "--quiet"} & set(argv):
            log.configure(bool({"-v", "--verbose"} & set(argv)), bool({"-q", "--quiet"} & set(argv)))
        if "--" in argv:
            raise UserError("-- is no flag of this program; see --help")
        overrides, rest = self.split(self.modern(argv))
        given, unknown = self.parse_known_intermixed_args(rest)
        if self.keys == ANY and not self.completes:  # how they are spelled, whoever reads the overrides says
            overrides += [word for word in unknown if not word.startswith("-")]
            unknown = [word for word in unknown if word.startswith("-")]
        if unknown:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            kind = "flag" if unknown[0].startswith("-") else "argument"
            raise UserError(f"{unknown[0]} is no {kind} of this program{nearest(unknown[0], flags)}; see --help")
        given.overrides = overrides
        if self.keys == ANY or "store" in self.keys:
            stores = [unquoted(text.partition("=")[2]) for text in overrides if text.startswith("store=")]
            given.store = stores[-1] if stores else default("store")
            if not given.store:
                raise UserError("store= needs a folder")
        return given

    def split(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """What is KEY=VALUE, and the rest; what follows a flag that takes a value is its own."""
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

    def modern(self, argv: Sequence[str]) -> list[str]:
        """The arguments with old forms in their new one; a line is logged for each."""
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
            logger.warning(f"{forms[0]} is written {forms[1]} now; the old form goes with 0.3")
        return found

    def format_help(self) -> str:
        """The help, with what the command adds to argparse's."""
        more = self.more()
        return super().format_help() + (f"\n{more}\n" if more else "")

    def error(self, message: str) -> NoReturn:
        """A `UserError` in the place of argparse's own exit."""
        raise UserError(f"{message.removeprefix('argument ').replace(' (choose from ', '; legal: (')}; see --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Help or version have been printed."""
        raise Answered


def asks_only(argv: Sequence[str]) -> bool:
    """Whether a command line asks for what the parser itself answers, so that nothing else need be loaded."""
    return COMPLETE in os.environ or bool({"-h", "--help", "--version"} & set(argv))


@cache
def default(key: str) -> Any:
    """What `conf/config.yaml` itself says of a key."""
    import yaml

    return yaml.load((conf_dir() / "config.yaml").read_text(), yaml.CSafeLoader)[key]


def quoted(value: str) -> str:
    """A text as Hydra's grammar takes it, whatever is in it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unquoted(value: str) -> str:
    """A text of Hydra's grammar, without its quotes."""
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
    """The exit code of `work()`, which is what it returns (None is 0), or what its error means, told on stderr.

    `redact` takes out of an error's sentence what must not be shown; `disk` is the code of what the system refused. Who
    closed the pipe (`| head`) is told nothing.
    """
    global _outermost
    outermost, _outermost = _outermost, False
    if outermost:  # a command that runs another is as quiet as it was told to be
        log.configure()
    try:
        code = work()
        sys.stdout.flush()
        return code or ExitCode.DONE
    except Answered:
        sys.stdout.flush()
        return ExitCode.DONE
    except KeyboardInterrupt:
        if interrupted:
            logger.warning(interrupted)
        return ExitCode.INTERRUPTED
    except (UserError, CorruptFile, OSError) as e:
        if isinstance(e, BrokenPipeError) and _nobody_reads():
            return ExitCode.DONE
        logger.debug("where it came from:", exc_info=True)
        logger.error(redact(in_words(e) if isinstance(e, OSError) else str(e)))
        return disk if isinstance(e, OSError) else ExitCode.USER
    finally:
        _outermost = outermost


def _nobody_reads() -> bool:
    """Whether it is standard output whose reader is gone; then what is left of it goes nowhere."""
    asked = select.poll()
    asked.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(event & select.POLLERR for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
