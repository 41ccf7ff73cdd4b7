"""The walls of the house, as data: who may import whom, and where torch and a scheduler's tools may be named.

Imports count wherever they stand: at the top of a file, in a function, or for the type checker alone.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from support import ROOT

from sweeps.launchers.registry import LAUNCHERS

# A package may import itself and what stands before it; sweeps and analysis come after all of landscape.
LANDSCAPE = (
    *("ranges", "scores", "config", "signals", "store", "data", "tracking", "rng", "distributed", "losses", "networks"),
    *("algorithms", "training", "metrics", "runtime", "sample"),
)
SWEEPS = (
    *("formatting", "states", "credentials", "console", "errors", "race", "planning", "search", "monitor", "launchers"),
    *("cli", "__main__"),
)
SWEEPS_ROOMS = tuple(f"sweeps.{name}" for name in SWEEPS)
ANALYSIS = ("loading", "estimators", "tables", "figures", "html", "dirac", "lab", "report", "compare")
# The public commands, which call sweeps, and names of an older version, which call what has taken their place.
SHIMS = (
    *("landscape.sweep", "landscape.evaluate", "landscape.prefetch", "landscape.mirror", "landscape.worker"),
    *("sweeps.body", "sweeps.searcher"),
)
SHIM_STATEMENTS = 12
NO_TORCH = (
    *("landscape.ranges", "landscape.scores", "landscape.config", "landscape.signals", "landscape.store"),
    *("landscape.data", "landscape.tracking", "sweeps", "analysis"),
)
# The store is the contract between training and analysis; planning starts nothing.
NEVER = {
    "analysis": ("sweeps", "landscape.data", "landscape.training", "landscape.metrics", "landscape.runtime"),
    "sweeps": ("analysis",),
    "sweeps.planning": ("subprocess", "optuna"),
    "landscape.losses": ("landscape.networks",),
    "analysis.estimators": ("matplotlib", "jinja2"),
    "analysis.loading": ("matplotlib", "jinja2"),
}
# The cost of an answer is simulated by the rules that races are run by, and a second copy of them would drift. These
# modules read no store and start nothing.
MAY = {"analysis.estimators": ("sweeps.race.power", "sweeps.race.question")}
TOOLS = {"sbatch", "squeue", "scontrol", "scancel", "sinfo", "sacctmgr"}  # of SLURM


def modules() -> dict[str, Path]:
    """Every module of the three packages by its dotted name."""
    found = {}
    for top in ("landscape", "sweeps", "analysis"):
        for file in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imported(file: Path) -> set[str]:
    """The modules that a file imports, anywhere in it; ours by their full names."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            of = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in of}
    return found


def lies_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def room(module: str) -> str:
    """The package of a module that the lines above name: `landscape.store` of `landscape.store.leases`."""
    return ".".join(module.split(".")[:2])


def order() -> list[str]:
    lines = (("landscape", LANDSCAPE), ("sweeps", SWEEPS), ("analysis", ANALYSIS))
    return [f"{top}.{name}" for top, names in lines for name in names]


def test_every_package_stands_in_a_line() -> None:
    known = {*order(), *SHIMS, "landscape", "sweeps", "analysis"}
    assert {room(module) for module in MODULES} == known


def test_a_package_imports_only_what_lies_below_it() -> None:
    place = {name: number for number, name in enumerate(order())}
    wrong = [
        f"{module} imports {name}"
        for module, file in MODULES.items()
        if room(module) in place
        for name in imported(file)
        if room(name) in place and place[room(name)] > place[room(module)]
    ]
    assert wrong == []


def test_what_a_package_never_imports() -> None:
    wrong = [
        f"{module} imports {name}"
        for package, names in NEVER.items()
        for module, file in MODULES.items()
        if lies_in(module, package)
        for name in imported(file)
        if any(lies_in(name, never) for never in names)
        if not any(lies_in(module, one) and name in may for one, may in MAY.items())
    ]
    assert wrong == []


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_shims_hold_nothing_but_a_call() -> None:
    for shim in SHIMS:
        tree = ast.walk(ast.parse(MODULES[shim].read_text()))
        statements = [n for n in tree if isinstance(n, ast.stmt) and not _is_docstring(n)]
        assert len(statements) <= SHIM_STATEMENTS, shim
    wrong = [
        f"{module} imports {name}"
        for module, file in MODULES.items()
        if module not in SHIMS
        for name in imported(file)
        if name in SHIMS
    ]
    assert wrong == []


def test_planning_storing_and_reporting_load_no_torch() -> None:
    light = [m for m in MODULES if any(lies_in(m, package) for package in NO_TORCH) and not m.endswith("__main__")]
    assert not [module for module in light if "torch" in {name.partition(".")[0] for name in imported(MODULES[module])}]
    code = f"import sys, {', '.join(light)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_only_its_client_names_a_schedulers_tools() -> None:
    """In the rest of its launcher they may stand in a sentence, elsewhere in sweeps not even there."""
    wrong = [
        f"{module}: {node.value}"
        for module, file in MODULES.items()
        if module != "sweeps.launchers.slurm.client"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value in TOOLS
        or (
            (room(module) in SWEEPS_ROOMS and not lies_in(module, "sweeps.launchers.slurm"))
            and not TOOLS.isdisjoint(re.findall(r"\w+", node.value))
        )
    ]
    assert wrong == []


def test_only_the_slurm_launcher_reads_what_slurm_sets() -> None:
    wrong = [
        module
        for module, file in MODULES.items()
        if not lies_in(module, "sweeps.launchers.slurm")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("SLURM_")
    ]
    assert wrong == []


def of_launchers() -> dict[str, str]:
    """The module, or package, of each launcher."""
    places = {kind: row.launcher.partition(":")[0] for kind, row in LAUNCHERS.items()}
    return {kind: place.removesuffix(".launcher") for kind, place in places.items()}


def test_nothing_but_the_registry_knows_which_launchers_there_are() -> None:
    """Neither by its kind, nor by its module; launchers may build on each other."""
    at_home = ("sweeps.launchers", *SHIMS)
    strangers = {m: file for m, file in MODULES.items() if not any(lies_in(m, home) for home in at_home)}
    told = {f"launcher={kind}" for kind in LAUNCHERS}
    wrong = [
        f"{module} says {node.value!r}"
        for module, file in strangers.items()
        if module.startswith("sweeps.")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value in LAUNCHERS or any(text in node.value for text in told)
    ]
    wrong += [
        f"{module} imports {name}"
        for module, file in strangers.items()
        for name in imported(file)
        if any(lies_in(name, place) for place in of_launchers().values())
    ]
    assert wrong == []


def test_only_the_registry_asks_for_the_kind_of_a_launcher() -> None:
    asking = {
        module
        for module, file in MODULES.items()
        if lies_in(module, "sweeps.launchers") and module != "sweeps.launchers.registry"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in LAUNCHERS
    }
    assert asking == set()
