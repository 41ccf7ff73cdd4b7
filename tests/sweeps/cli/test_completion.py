"""What a shell completes, asked of a real bash with the words as it takes them apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, TINY, frozen_runs

from landscape.config.completion import COMPLETE
from landscape.store import Store
from sweeps.__main__ import main
from sweeps.planning.config_groups import groups

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_landscape
printf '%s\\n' "${COMPREPLY[@]}"
"""
SWEEP = (sys.executable, "-m", "landscape.sweep")
SWEEPS = (sys.executable, "-m", "sweeps")
SCRIPT = str(Path(sys.executable).with_name("landscape-sweep"))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, as a user's `eval` gets it."""
    file = tmp_path_factory.mktemp("shell") / "landscape.bash"
    made = subprocess.run([*SWEEPS, "completion", "bash"], capture_output=True, text=True, check=True, cwd=ROOT)
    file.write_text(made.stdout)
    return file


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last word; as bash does it, `=` is a word of its own."""
    done = subprocess.run(["bash", "-c", ASK, "bash", script, *words], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    return [line for line in done.stdout.split("\n") if line]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((*SWEEP, "lo"), ["logger.entity=", "logger.mode=", "logger.project=", "logger=", "loss="]),
        ((*SWEEP, "loss", "=", "n"), ["ns"]),
        ((*SWEEP, "loss", "=", "ns,w"), ["ns,wgan"]),
        ((*SWEEP, "-m", "train.precision", "="), ["bf16", "fp32"]),
        ((*SWEEP, "train.sync_bn", "=", ""), ["false", "true"]),
        ((*SWEEP, "study", "=", "dem"), ["demo"]),
        ((*SWEEP, "loss=w"), ["loss=wgan"]),  # where `=` is no break
        ((*SWEEP, "--ve"), ["--verbose ", "--version "]),
        ((SCRIPT, "loss", "=", "n"), ["ns"]),
        ((*SWEEPS, "st"), ["status "]),
        ((*SWEEPS, "plan", "reg", "=", "r1"), ["r1", "r1r2"]),
        ((*SWEEPS, "status", "--j"), ["--json "]),
        ((sys.executable, "-m", "landscape.sw"), ["landscape.sweep"]),
        ((sys.executable, "-m", "landscape.evaluate", "optim"), []),  # it takes no such key
        ((sys.executable, "-m", "landscape.evaluate", "metrics.re"), ["metrics.real="]),
        ((sys.executable, "-m", "landscape.sample", "--quantise", ""), ["float ", "uint8 "]),
        ((sys.executable, "-m", "analysis.report", "--pool", "n"), ["n_dis "]),
        ((sys.executable, "setup.p"), []),  # not ours: files
        ((sys.executable, "pyproject.to"), ["pyproject.toml"]),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_bash_completes_scripts_and_modules(script: Path, words: tuple[str, ...], found: list[str]) -> None:
    assert completed(script, *words) == found


def test_every_choice_of_a_group_is_offered(script: Path) -> None:
    assert completed(script, *SWEEP, "reg", "=") == groups()["reg"]


def test_sweeps_and_runs_of_the_store_are_offered(script: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "my store")
    runs = frozen_runs(store, *TINY, "seed=0,1")
    where = ("store", "=", str(store.root))
    (name,) = store.sweep_names()
    assert completed(script, *SWEEPS, "status", *where, "swe") == [f"{name} "]
    assert completed(script, *SWEEPS, "logs", *where, runs[0].id[:6]) == [f"{runs[0].id} "]
    evaluate = (sys.executable, "-m", "landscape.evaluate")
    assert completed(script, *evaluate, *where, "--sweep", "") == [f"{name} "]
    assert completed(script, *SWEEPS, "status", "store", "=", f"{tmp_path}/my") == [f"{store.root}/"]


def test_asking_loads_nothing_that_plans_or_trains() -> None:
    code = "import sys; from landscape.sweep import main; main([])\n"
    code += "print(sorted({'torch', 'hydra', 'numpy', 'rich'} & set(sys.modules)))"
    for typed in ("optim.l", "train.precision=", "--"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={COMPLETE: typed}
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_verb_is_completed_in_this_process_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(COMPLETE, "wa")
    assert main([]) == 0 and capsys.readouterr().out.split() == ["watch", "wait"]
