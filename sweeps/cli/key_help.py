"""Every group with its choices and every key with its default, range and meaning, as `--help` shows them."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

from landscape.config.identity import flatten
from landscape.config.keys import NOT_GIVEN, Key, keys
from sweeps.planning.config_groups import choose, groups, merge

WIDTH = 100  # columns, where the terminal is not narrower
NAME = 27  # columns of a key
VALUE = 11  # and of its default


def key_help() -> str:
    """Two lists: the groups, then the keys under the name of their part of the configuration."""
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    chosen = choose({})
    lines = ["GROUP=CHOICE: a choice is a file, as loss=ns is conf/loss/ns.yaml; (the default stands in brackets)", ""]
    for group, choices in groups().items():
        names = [f"({name})" if name == chosen[group] else name for name in choices]
        lines += textwrap.wrap(", ".join(names), width, initial_indent=f"  {group:10}", subsequent_indent=" " * 12)
    lines += [
        "",
        "KEY=VALUE: key, default with these choices, meaning; [legal values]. A choice sets its own keys.",
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
    """A key in a line, or in more where it is long."""
    begin = f"  {name:{NAME}} {_value(default):{VALUE}} "
    text = key.help + (f" [{legal}]" if (legal := legal_words(key)) else "")
    indent = " " * (NAME + VALUE + 4)
    lines = textwrap.wrap(text, width - len(indent), break_on_hyphens=False)
    if len(begin) > len(indent):
        return [begin.rstrip(), *(indent + line for line in lines)]
    return [begin + " " * (len(indent) - len(begin)) + lines[0], *(indent + line for line in lines[1:])]


def _value(value: Any) -> str:
    """A default as one would type it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def legal_words(key: Key) -> str:
    """The legal values of a key in words; empty where its type says all."""
    if key.range is not None:
        return key.range.words
    return "true, false" if key.type.startswith("bool") else ""
