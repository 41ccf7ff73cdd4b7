"""Shell completion of the commands.

The completion script calls the command itself with `LANDSCAPE_COMPLETE` set to the words so far, one a line. The
command prints one candidate a line. A candidate that ends in a space is complete; others (`loss=`, a folder) can be
continued.
"""

from __future__ import annotations

import os
from argparse import Action, Namespace
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.config.conf_dir import conf_dir

if TYPE_CHECKING:
    from landscape.config.cli import Parser

COMPLETE = "LANDSCAPE_COMPLETE"
BREAKS = ("=", ":")  # characters at which bash splits words


def typed_words() -> list[str] | None:
    """The words of the line to complete, the unfinished one last. None: no completion was requested."""
    return os.environ[COMPLETE].split("\n") if COMPLETE in os.environ else None


def candidates(parser: Parser, words: Sequence[str]) -> list[str]:
    """Completions of the last word, without the part that bash treats as a separate word."""
    before, begun, apart = _joined(words)
    found = sorted(set(_candidates(parser, before, begun)))
    return [text[apart:] for text in found if text.startswith(begun)]


def _joined(words: Sequence[str]) -> tuple[list[str], str, int]:
    """Undo bash's splitting at `BREAKS`. Returns the words before, the unfinished word, and how many of its characters
    bash split off."""
    whole: list[str] = []
    apart, glued = 0, False
    for word in words:
        if whole and (glued or word in BREAKS):
            apart = len(whole[-1]) + len(word) * (word in BREAKS)
            whole[-1] += word
        else:
            apart = 0
            whole.append(word)
        glued = word in BREAKS
    return whole[:-1], whole[-1], apart


def _candidates(parser: Parser, before: Sequence[str], begun: str) -> Iterable[str]:
    given = Namespace(store=_store(before))
    flags = parser._option_string_actions
    owed = flags.get(before[-1]) if before else None
    if owed is not None and owed.nargs != 0:
        return _of_action(parser, owed, before[-1], begun, given)
    if begun.startswith("--") and "=" in begun:
        flag = begun.partition("=")[0]
        found = _of_action(parser, flags[flag], flag, begun.partition("=")[2], given) if flag in flags else []
        return [f"{flag}={value}" for value in found]
    if begun.startswith("-"):
        return [f"{flag} " for flag in flags if flag.startswith("--")]
    return [*_words(parser, begun, given), *_overrides(parser, begun)]


def _words(parser: Parser, begun: str, given: Namespace) -> Iterable[str]:
    """Completions of positional arguments: sweeps, runs."""
    for action in parser._positionals._group_actions:
        yield from _of_action(parser, action, action.dest, begun, given)


def _of_action(parser: Parser, action: Action, name: str, begun: str, given: Namespace) -> Iterable[str]:
    if action.choices is not None:
        return [f"{choice} " for choice in action.choices]
    if name in parser.completes:
        return [f"{one} " for one in parser.completes[name](begun, given)]
    if action.metavar in ("FILE", "FOLDER"):
        return paths(begun)
    return [f"{key}=" for key in _keys()] if str(action.metavar).startswith(("KEY=", "AXIS=", "COLUMN=")) else []


def _overrides(parser: Parser, begun: str) -> Iterable[str]:
    """KEY= for legal keys, or KEY=VALUE for a given key. After a comma: another value of the same key."""
    if not parser.keys:
        return []
    key, equals, value = begun.partition("=")
    if equals:
        return [f"{key}={one}" for one in values(key, value)] if _is_taken(parser, key) else []
    return [f"{name}=" for name in [*groups(), *_keys()] if _is_taken(parser, name)]


def _is_taken(parser: Parser, key: str) -> bool:
    from landscape.config.cli import ANY

    if parser.allowed_groups is not None:
        return key.partition(".")[0] in parser.allowed_groups
    return parser.keys == ANY or key in parser.keys


def values(key: str, begun: str) -> Iterable[str]:
    """Legal values of a key: choices of a group, names, true and false, or paths. Each starts with what is typed so
    far."""
    from landscape.config.keys import keys

    if key in ("store", "data.path", "data.test_path", "metrics.weights"):
        return paths(begun)
    known = keys().get(key)
    if key in groups():
        legal = groups()[key]
    elif known is None:
        legal = []
    elif known.type.startswith("bool"):
        legal = ["true", "false"]
    else:
        legal = [] if known.range is None else list(known.range.values)
    bracket = "[" if begun.startswith("[") or (known is not None and known.type.startswith("list")) else ""
    typed, comma, _ = begun.removeprefix("[").rpartition(",")
    already = typed.split(",")
    return [f"{bracket}{typed}{comma}{one}" for one in legal if one not in already]


@cache
def groups() -> dict[str, list[str]]:
    """The groups of `conf/` and their choices, from file names only."""
    folders = [folder for folder in sorted(conf_dir().iterdir()) if folder.is_dir()]
    return {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in folders}


def _keys() -> list[str]:
    from landscape.config.keys import NOT_GIVEN, keys

    return [name for name in keys() if name not in NOT_GIVEN and not name.startswith("study.")]


def _store(words: Sequence[str]) -> str:
    from landscape.config.cli import default, unquoted

    given = [word.partition("=")[2] for word in words if word.startswith("store=")]
    return unquoted(given[-1]) if given and given[-1] else str(default("store"))


def paths(begun: str) -> list[str]:
    """Files and folders that start with `begun`. A folder ends in a slash."""
    folder, name = os.path.split(begun)
    try:
        found = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda one: one.name)
    except OSError:
        return []
    shown = [one for one in found if name.startswith(".") or not one.name.startswith(".")]
    return [os.path.join(folder, one.name) + ("/" if one.is_dir() else " ") for one in shown]
