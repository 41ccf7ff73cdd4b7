"""Every bad input: one clear sentence, exit code 2, no traceback, and a store that is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import TINY, frozen_runs, sweep

from landscape.config.errors import CorruptFile, UserError
from landscape.runtime.worker import work
from landscape.store import RunFolder, Store
from sweeps.cli.sweep import main
from sweeps.errors import run_command
from sweeps.planning.config_groups import groups
from sweeps.planning.plan import make_plan
from sweeps.search.worker import SearchWorker
from sweeps.search.worker import main as worker


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


# Derived, so that a new choice changes no test.
LOSSES, REGS = (", ".join(groups()[axis]) for axis in ("loss", "reg"))

CASES = [
    (["loss=foo"], f"loss=foo is not known; legal: {LOSSES}"),
    (
        ["loss=wgam"],
        f"loss=wgam is not known (did you mean wgan?); legal: {LOSSES}",
    ),
    (["loss=null"], f"loss=None is not known; legal: {LOSSES}"),
    (
        ["loss.kind=foo"],
        f"loss.kind cannot be set directly; choose loss=NAME ({LOSSES})",
    ),
    (["norm.kind=sn"], "norm.kind cannot be set directly; choose norm=NAME"),
    (["reg.penalty=gp"], "reg.penalty cannot be set directly; choose reg=NAME"),
    (["arch={kind: dcgan}"], "arch.kind cannot be set directly"),
    (["study.exclude=[]"], "study.exclude belongs to a study's file"),
    (["metrics=none", "metrics.scores=[fid]"], "metrics.scores needs an extractor; choose metrics=classifier"),
    (
        ["metrics.scores=[modes]"],
        "metrics.scores=modes needs metrics.extractor=points, and it is classifier; choose metrics=modes",
    ),
    (["data=ring", "metrics=classifier"], "metrics.extractor=classifier does not fit data=ring; choose metrics=modes"),
    (["data=ring", "metrics=inception"], "metrics.extractor=inception does not fit data=ring; choose metrics=modes"),
    (["data=ring", "arch=sndcgan"], "arch.kind=sndcgan needs a side divisible by 8; data.size=1 is not supported"),
    (["metrics.is_splits=1000"], "metrics.is_splits=1000 is out of range; legal: up to the 500 fakes"),
    (["data.size=4096"], "data.size=4096 is out of range; legal: 1 to 1024 pixels"),
    (["-m", "store=a,b"], "store cannot be varied in a grid; give it one value"),
    (["-m", "threads=1,2"], "threads cannot be varied in a grid; give it one value"),
    (["-m", "checkpoint.keep=all,weights"], "checkpoint.keep cannot be varied in a grid"),
    (["optim.lrr=1"], "optim.lrr is not a configuration key (did you mean optim.lr?)"),
    (["optim.learning_rate=1"], "optim.learning_rate is not a configuration key (did you mean optim.lr?)"),
    (["lr=1"], "lr is not a configuration key (did you mean optim.lr?)"),
    (["metrics=fid"], "metrics=fid is not known: fid is a score, which metrics=classifier and"),
    (["los=ns"], "los is not a configuration key (did you mean loss?)"),
    (["reg=sn", "norm=none"], "reg=sn means norm=sn, so it contradicts norm=none"),
    (["arch.width=-1"], "arch.width=-1.0 is out of range; legal: a positive number"),
    (["arch.width=wide"], "arch.width=wide: Value 'wide' of type 'str' could not be converted to Float"),
    (["data.size=12"], "arch.kind=sndcgan needs a side divisible by 8; data.size=12 is not supported"),
    (["optim.lr=nan"], "optim.lr=nan is out of range"),
    (["optim.beta1=1"], "optim.beta1=1.0 is out of range; legal: 0 or more and below 1"),
    (["train.batch_size=5000"], "legal: up to the 1297 training images of data=digits"),
    (["train.steps=1e5"], "could not be converted to Integer"),
    (["metrics.scores=[prc]"], "legal: a list of classes, fd_infinity, mind, mmd, fid, is, kid, ms_ssim, modes"),
    (
        ["metrics.extractor=resnet"],
        "is out of range; legal: classifier, dinov2, imagenet, inception, pixels, points",
    ),
    (["device=tpu"], "device=tpu is out of range; legal: auto, cpu, cuda or cuda:N"),
    (["loss=ns,ls"], "loss=ns,ls has several values: add -m (--multirun)"),
    (["-m", "loss=ns,ns"], "loss=ns,ns has a value twice"),
    (["-m", "optim.lr=interval(0,1)"], "list them, or use range(...) or glob(...)"),
    (["-m", "seed=1,two"], "Value 'two' of type 'str' could not be converted to Integer"),
    (["-m", "loss=glob(x*)"], "loss=glob(x*) has no values"),
    (["-m", "loss=ns", "loss=ls"], "loss is given twice"),
    (["loss"], "'loss' is not a valid override"),
    (["loss=ns,"], "'loss=ns,' is not a valid override"),
    (["--dry-run"], "--dry-run is not a flag of this program"),
    (["+new=1"], "adding and removing keys is not supported"),
    (["~seed"], "adding and removing keys is not supported"),
    (["hydra/launcher=submitit_slurm"], "hydra/launcher is not used here; choose launcher=slurm"),
    (
        ["hydra/launcher=submitit_local"],
        "hydra/launcher is not used here; choose launcher=local",
    ),
    (["hydra.launcher.timeout_min=60"], "is not used here; write launcher.time=..."),
    (["launcher=slurm", "launcher.time=4h"], "legal: minutes (90), or [days-]hours:minutes:seconds"),
    (["launcher=slurm", "launcher.memory=4"], "launcher.memory=4 is out of range; legal: a size such as 4G or 500M"),
    (["launcher=slurm", "launcher.gpu=1"], "launcher.gpu is not a configuration key (did you mean launcher.gpus?)"),
    (["hydra.sweep.dir=x"], "hydra.sweep.dir is not used here"),
    (["data.content=abc"], "data.content is computed"),
    (["search=grid"], "search=grid is not known; legal: gp, none, qmc, random, tpe"),
    (["-m", "search=gp,tpe"], "search cannot be varied in a grid; give it one value"),
    (["-m", "stop.factor=2,3"], "stop.factor cannot be varied in a grid; give it one value"),
    (["search.kind=gp"], "search.kind cannot be set directly; choose search=NAME"),
    (["search.trials=0"], "search.trials=0 is out of range; legal: 1 to 1,000,000"),
    (["search.pruner=best"], "search.pruner=best is out of range; legal: none, asha, hyperband, median"),
    (["search.storage=here"], "legal: sqlite, journal, or a URL such as postgresql://user@host/name"),
    (["search.space.beta1.high=1"], "search.space.beta1.high=1.0 is out of range; legal: 0 or more and below 1"),
    (["search.space.lr.low=0"], "search.space.lr.low=0.0 is out of range; legal: a positive number"),
    (["search=gp", "search.space.lr.low=1"], "search.space.lr runs from 1 to 0.01; give low <= high"),
    (["search=gp", "metrics=none"], "search=gp needs a distance to minimize: metrics.scores must include fid"),
    (["search=random", "search.grid=true"], "search.grid=true needs a search that uses results (gp, tpe)"),
    (["search=gp", *(f"search.space.{k}=null" for k in ("lr", "beta1", "beta2"))], "search=gp has nothing to vary"),
    (["stop.factor=1"], "stop.factor=1.0 is out of range; legal: a number above 1"),
    (["stage=last"], "stage=last is out of range; legal: all, grid, search, confirm"),
    (["stage=confirm"], "has no finished and scored run in"),
    (
        ["search=gp", "search.storage=postgresql://me:pw@127.0.0.1:1/x"],
        "postgresql://me@127.0.0.1:1/x cannot be reached",
    ),
    (["study=nope"], "study=nope is not known; legal: cifar10_small, conditioning"),
    (["optim.lr=${nothing.here}"], "optim.lr=${nothing.here}: ${nothing.here} names no configuration key"),
    # interpolations: what they stand for is held to the schema like what is typed
    (["seed=${oc.env:LETTERS}"], "seed=${oc.env:LETTERS}: Value 'letters' of type 'str' could not be converted to Int"),
    (["seed=${oc.env:NOT_THERE}"], "Environment variable 'NOT_THERE' not found"),
    (["train=${oc.env:LETTERS}"], "train=${oc.env:LETTERS}: train holds several keys; set them by name, as in train."),
    (["optim.lr=${optim}"], "optim.lr=${optim}: "),
    (["optim.lr=${latent.dist}"], "optim.lr=${latent.dist}: Value 'uniform' of type 'str' could not be converted"),
    (["seed=${seed}"], "seed=${seed}: Recursive interpolation detected"),
    (["seed=${repeat}", "repeat=${seed}"], "seed=${repeat}: Recursive interpolation detected"),
    (["seed=${now:%B}"], "seed=${now:%B}: Value "),
    (["seed=${no_resolver:1}"], "seed=${no_resolver:1}: Unsupported interpolation type no_resolver"),
    (["seed=${oc.decode:'[1,'}"], "seed=${oc.decode:'[1,'}: "),
    (["seed=${data.content}"], "seed="),
    (["data.name=${oc.env:NESTED}"], "which is an interpolation again"),
    (["metrics.scores=['${latent.dist}']"], "metrics.scores=['uniform'] is out of range; legal: a list of classes,"),
    (["loss=${oc.env:LETTERS}"], "loss=${oc.env:LETTERS} is not known; legal: "),
    (["train=5"], "train=5: train holds several keys; set them by name, as in train.batch_size=VALUE"),
    (["search.space=null"], "search.space=null: search.space holds several keys"),
    (["seed={a: 1}"], "seed"),
    # the grammar, its functions, and what they call
    (["-m", "seed=range(0,10,0)"], "seed=range(0,10,0): a range goes from one number to another by steps that "),
    (["-m", "optim.lr=range(0,1,0.0)"], "by steps that are not 0, as in range(0,10,2)"),
    (["-m", "optim.lr=range(0,inf)"], "a range goes from one number to another"),
    (["-m", "seed=int(range(0,3,0.5))"], "by steps that are not 0"),
    (["-m", "seed=sort(1,a)"], "'seed=sort(1,a)' is not a valid override ("),
    (["-m", "seed=range(a,b)"], "'seed=range(a,b)' is not a valid override ("),
    (["-m", "seed=range(5,0)"], "seed=range(5,0) has no values"),
    (["seed=" + "[" * 400 + "]" * 400], " ... (805 characters): "),
    (["seed=" + "9" * 5000], "seed=999"),
    (["loss='a\nb'"], "loss=a\\nb is not known; legal: "),
    (["data.name=\udcff"], "contains control characters or invalid UTF-8"),
    # sizes beyond all use
    (["-m", "seed=range(0,10000000)"], "the grid has 10,000,000 points, and the limit is max_points=100,000"),
    (["-m", "seed=range(0,1000)", "repeat=shuffle(range(0,1000))"], "the grid has 1,000,000 points"),
    (["-m", "seed=range(0,3)", "loss=ns,ls", "max_points=5"], "the grid has 6 points, and the limit is max_points=5"),
    (["-m", "optim.lr=range(1e-300,1,1e-300)"], "the grid has more than 1,000,000,000,000,000 points"),
    (["max_points=0"], "max_points=0 is out of range; legal: a whole number, 1 or more"),
    (["-m", "max_points=1,2"], "max_points"),
    (["threads=5000"], "threads=5000 is out of range; legal: "),
    (["threads=900"], "threads=900 is out of range; legal: up to "),
    (["launcher.jobs=1000"], "launcher.jobs=1000 is out of range; legal: up to "),
    (["launcher=slurm", "launcher.time=10", "launcher.cores=2", "threads=3"], "legal: up to launcher.cores=2"),
    (["arch.width=1e300"], "arch.width=1e+300 is out of range; legal: a positive number up to 64"),
    (["latent.dim=1000000000000"], "latent.dim=1000000000000 is out of range; legal: 1 to 65,536"),
    (["metrics.n_fake=1000000000000"], "metrics.n_fake=1000000000000 is out of range; legal: 2 to 10,000,000"),
    (["train.steps=1000000000000"], "legal: 1 to 1,000,000,000"),
    (["train.batch_size=1000000"], "train.batch_size=1000000 is out of range; legal: 2 to 65,536"),
    (["train.batch_size=60000", "data.size=1024"], "are 188,743,680,000 values per batch; legal: up to 1,073,741,824"),
    (["search.trials=10000000"], "search.trials=10000000 is out of range; legal: 1 to 1,000,000"),
    (["seed=99999999999999999999"], "seed=99999999999999999999 is out of range; legal: 0 to 2^63 - 1"),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), CASES, ids=lambda v: ascii(" ".join(v))[:70] if isinstance(v, list) else ""
)
def test_one_sentence_and_exit_code_2(
    arguments: list[str],
    sentence: str,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LETTERS", "letters")
    monkeypatch.setenv("NESTED", "${seed}")
    monkeypatch.setattr("landscape.config.validation.cores", lambda: 8)
    before = tree(store.root)
    where = [] if any("store=" in argument for argument in arguments) else [f"store={store.root}"]
    assert main([*arguments, *where]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1
    assert captured.out == "" and tree(store.root) == before


def test_interpolations_stand_for_what_hydra_would_put_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PART", "7")
    typed = [
        "seed=${oc.env:PART}", "repeat=${seed}", "optim.lr=${oc.decode:'1e-3'}", "optim.lr_d=${.lr_g}",
        "train.batch_size=1${oc.env:PART}", "metrics.seed=${now:%Y}", "metrics.scores=['${oc.env:SCORE,fid}']",
    ]  # fmt: skip
    config = make_plan([*TINY, *typed, f"store={store.root}"], multirun=False).runs[0].config
    assert (config["seed"], config["repeat"], config["train"]["batch_size"]) == (7, 7, 17)
    assert config["optim"]["lr"] == config["optim"]["lr_d"] == config["optim"]["lr_g"] == 1e-3
    assert config["metrics"]["seed"] >= 2026 and config["metrics"]["scores"] == ["fid"]


def test_a_grid_may_be_as_large_as_one_says(store: Store) -> None:
    grid = [*TINY, "seed=range(0,6)", f"store={store.root}"]
    assert len(make_plan([*grid, "max_points=6"], multirun=True).runs) == 6


def test_no_traceback_from_the_command_itself(tmp_path: Path) -> None:
    done = sweep("loss=foo", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        2,
        "",
    ) and done.stderr == f"loss=foo is not known; legal: {LOSSES}\n"
    assert list(tmp_path.iterdir()) == []


def test_hydras_own_flags_refuse_in_one_sentence_too(tmp_path: Path) -> None:
    done = sweep("--cfg", "job", "loss=foo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        f"loss=foo is not known; legal: {LOSSES}\n",
    )


def test_help_lists_groups_and_choices_and_cfg_prints(tmp_path: Path) -> None:
    shown = sweep("--help", cwd=tmp_path)
    assert shown.returncode == 0 and shown.stderr == ""
    listed = " ".join(shown.stdout.split()).replace("(", "").replace(")", "")  # the defaults stand in brackets
    assert f" loss {LOSSES} metrics " in listed and f" reg {REGS} reg_g " in listed
    config = sweep("--cfg", "job", "reg=sn", "optim.lr=3e-3", cwd=tmp_path)
    assert config.returncode == 0 and "lr: 0.003" in config.stdout and "kind: sn" in config.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file/store", "file"])
def test_a_store_that_cannot_be_written(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["-q", *TINY, f"store={tmp_path / where}"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written" in err and "store=FOLDER" in err and err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/sys").exists(), reason="needs a file system that refuses even root")
def test_a_read_only_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "store=/proc/sys/outputs"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def spoil(run: RunFolder, which: str) -> Path:
    file = {"config": run.config_file, "rows": run.metrics_file, "status": run.status_file}[which]
    file.write_text({"config": "a: [", "rows": "{}\n[]\n", "status": "{"}[which])
    return file


@pytest.mark.parametrize("which", ["config", "rows", "status"])
@pytest.mark.slow
def test_a_corrupt_file_is_named_and_costs_its_run_alone(
    which: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = frozen_runs(store, *TINY, "seed=0,1")
    work(store, bad.id, lambda text: None)
    file = spoil(bad, which)
    before = tree(bad.path)
    assert main(["-m", *TINY, "seed=0,1", f"store={store.root}", "launcher.jobs=1"]) == 1
    err = capsys.readouterr().err
    assert str(file) in err.splitlines()[0] and "repair it or move its folder away" in err.splitlines()[0]
    assert tree(bad.path) == before and good.status().state == "done"
    good.status_file.write_text("{")
    assert main(["-m", *TINY, "seed=0,1", f"store={store.root}"]) == 2  # nothing is left
    assert capsys.readouterr().err.count("\n") == 2 and tree(bad.path) == before


def test_a_config_that_was_edited_is_not_trusted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = frozen_runs(store, *TINY)
    run.config_file.write_text(run.config_file.read_text().replace("steps: 12", "steps: 13"))
    assert main([*TINY, f"store={store.root}"]) == 2
    assert "was changed after it was frozen" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["config", "status"])
def test_a_file_that_lost_its_keys_is_named_too(which: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = frozen_runs(store, *TINY)
    if which == "config":
        file = run.config_file
        file.write_text("".join(file.read_text().partition("norm:")[:1]))
    else:
        file = run.status_file
        file.write_text('{"status": "planned", "scores": null}')
    assert main([*TINY, f"store={store.root}"]) == 2
    err = capsys.readouterr().err
    assert str(file) in err and err.count("\n") == 1


def test_a_device_that_is_not_there_is_refused_and_spoils_nothing(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main([*TINY, "device=cuda", f"store={store.root}"]) == 2
    assert "device=cuda is not available on this machine; legal here: auto, cpu" in capsys.readouterr().err
    assert list(store.run_folders()) == []
    # Planned on a machine with a GPU, trained on one without: the device is not frozen with the run.
    (run,) = frozen_runs(store, *TINY, "device=cuda")
    assert work(store, run.id, lambda text: None) == "failed"
    assert "device=cuda is not available here" in (run.status().reason or "")
    assert main([*TINY, "device=cpu", f"store={store.root}"]) == 0


def test_a_full_disk_is_a_sentence_and_leaves_no_half_made_run(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device", str(store.runs))

    monkeypatch.setattr("landscape.store.store.os.fsync", full)
    assert main([*TINY, f"store={store.root}"]) == 2
    assert "No space left on device" in capsys.readouterr().err and list(store.runs.iterdir()) == []


WRONG = [UserError("no: mysql://me:secret@h/x"), CorruptFile("torn"), OSError(5, "bad"), OSError("no route to host")]


@pytest.mark.parametrize("error", WRONG)
def test_what_goes_wrong_is_a_sentence_at_every_door(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> int:
        raise error

    assert run_command(refused) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "secret" not in err


def test_ctrl_c_is_130_at_every_door(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run_command(interrupted) == 130 and capsys.readouterr().err.count("\n") == 1


BROKEN = "import os; from landscape.config.cli import run_cli; raise SystemExit(run_cli(lambda: {work}))"


@pytest.mark.parametrize(
    ("work", "code"),
    [
        ("print('x' * 100000)", 0),  # nobody reads on
        ("os.write(int(os.environ['END']), b'x')", 2),  # another pipe than standard output is no success
    ],
)
def test_who_closed_the_pipe_is_told_nothing_and_no_other_broken_pipe_passes_for_that(work: str, code: int) -> None:
    (read, write), (other, end) = os.pipe(), os.pipe()
    os.close(other)
    if code == 0:
        os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(work=work)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[end],
        env={**os.environ, "END": str(end)},
    )
    assert done.returncode == code and ("Broken pipe" in done.stderr) == (code == 2)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    for fd in (write, end) if code == 0 else (read, write, end):
        os.close(fd)


@pytest.mark.parametrize(("error", "code"), [(UserError("no"), 2), (OSError(28, "No space left on device"), 1)])
def test_what_ends_a_worker_is_a_sentence_and_a_disks_trouble_is_tried_again(
    error: Exception, code: int, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: SearchWorker) -> int:
        raise error

    frozen_runs(store, *TINY, "search=random")
    (sweep,) = store.sweep_names()
    monkeypatch.setattr(SearchWorker, "work", fails)
    monkeypatch.setattr("sys.argv", ["searcher", "--store", str(store.root), "--sweep", sweep])
    assert worker() == code and capsys.readouterr().err.count("\n") == 1
