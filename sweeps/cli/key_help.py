"""The part of `--help` that lists every group with its choices, and every key with default, range and meaning."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

from landscape.config.identity import flatten
from landscape.config.keys import NOT_GIVEN, Key, keys
from sweeps.planning.config_groups import choose, groups, merge

WIDTH = 100  # maximum columns
NAME = 27  # columns of a key
VALUE = 11  # and of its default


def key_help() -> str:
    """The text: the groups, then the keys by section of the configuration."""
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    chosen = choose({})
    lines = ["GROUP=CHOICE: a choice is a file, as loss=ns is conf/loss/ns.yaml; the default is in parentheses", ""]
    for group, choices in groups().items():
        names = [f"({name})" if name == chosen[group] else name for name in choices]
        lines += textwrap.wrap(", ".join(names), width, initial_indent=f"  {group:10}", subsequent_indent=" " * 12)
    lines += [
        "",
        "KEY=VALUE: key, its default with these choices, meaning [legal values]. A choice sets its own keys.",
        "",
    ]
    defaults, part = flatten(merge(chosen)), ""
    for name, key in keys().items():
        if name in NOT_GIVEN or name.startswith("study."):
            continue
        head = name.partition(".")[0] if "." in name else ""
        if head != part:
            part = head
            lines.append(part or "run and sweep")
        lines += _key(name, key, defaults.get(name), width)
    return "\n".join(lines)


def _key(name: str, key: Key, default: Any, width: int) -> list[str]:
    """The lines of one key."""
    begin = f"  {name:{NAME}} {_value(default):{VALUE}} "
    text = key.help + (f" [{legal}]" if (legal := legal_words(key)) else "")
    indent = " " * (NAME + VALUE + 4)
    lines = textwrap.wrap(text, width - len(indent), break_on_hyphens=False)
    if len(begin) > len(indent):
        return [begin.rstrip(), *(indent + line for line in lines)]
    return [begin + " " * (len(indent) - len(begin)) + lines[0], *(indent + line for line in lines[1:])]


def _value(value: Any) -> str:
    """A default as it is typed on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def legal_words(key: Key) -> str:
    """The legal values of a key in words; empty if its type says it all."""
    if key.range is not None:
        return key.range.words
    return "true, false" if key.type.startswith("bool") else ""
