"""`python -m sweeps completion bash`: print a script that completes these commands.

The script calls the command itself, which answers by `landscape.config.completion`. It is called with `--version` as
its only argument, so that an older version, which does not know this protocol, ends at once.
"""

from __future__ import annotations

import sys

from landscape.config.completion import COMPLETE
from landscape.config.errors import ExitCode
from sweeps.cli import arguments

SCRIPTS = {  # console script -> module
    "landscape-sweep": "landscape.sweep",
    "landscape-evaluate": "landscape.evaluate",
    "landscape-sample": "landscape.sample",
    "landscape-prefetch": "landscape.prefetch",
    "landscape-sweeps": "sweeps",
    "landscape-report": "analysis.report",
}
MODULES = (*SCRIPTS.values(), "analysis.dirac", "analysis.lab")
PYTHONS = ("python", "python3", f"python3.{sys.version_info.minor}")

BASH = """# Completion of the commands of gan-landscape, as scripts and as python -m, for bash.
_landscape_modules="@modules@"
_landscape_before=$(complete -p python 2>/dev/null | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')
[[ $_landscape_before == _landscape ]] && _landscape_before=

_landscape() {
    local at=1 words IFS=$' \\t\\n'
    local program=("${COMP_WORDS[0]/#\\~/$HOME}")
    if [[ ${program[0]##*/} == python* ]]; then
        if [[ ${COMP_WORDS[1]} == -m && $COMP_CWORD -eq 2 ]]; then
            COMPREPLY=($(compgen -W "$_landscape_modules" -- "${COMP_WORDS[2]}"))
            return
        elif [[ ${COMP_WORDS[1]} != -m || " $_landscape_modules " != *" ${COMP_WORDS[2]} "* ]]; then
            if [[ -n $_landscape_before ]]; then
                $_landscape_before "$@"
            else
                COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
                compopt -o filenames 2>/dev/null
            fi
            return
        fi
        program+=(-m "${COMP_WORDS[2]}")
        at=3
    fi
    IFS=$'\\n'
    words="${COMP_WORDS[*]:at:COMP_CWORD-at+1}"
    COMPREPLY=($(@variable@="$words" "${program[@]}" --version 2>/dev/null))
    compopt -o nospace 2>/dev/null
}
complete -F _landscape @programs@
"""


def completion(argv: list[str]) -> int:
    """Print the script."""
    arguments.completion().parse(argv)
    programs = " ".join([*SCRIPTS, *PYTHONS])
    text = BASH.replace("@modules@", " ".join(MODULES)).replace("@variable@", COMPLETE).replace("@programs@", programs)
    print(text, end="")
    return ExitCode.DONE
