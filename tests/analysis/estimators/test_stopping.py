"""Claims about what stopping saved and would have cost: the replay is the worker's own rule, and counts add up."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic import add_run, config

import analysis
from analysis.estimators.early_stopping import (
    curves,
    free_runs,
    kind,
    replay_table,
    rules_of,
    saved_seconds,
    saved_table,
    saved_whole,
    stops_at,
    taken_up,
)
from analysis.report import main, make_report
from analysis.tables.early_stopping import early_stopping_tables
from landscape.config.schema import Stop
from landscape.store import DIVERGED, PLANNED, STOPPED, Store
from landscape.store.early_stopping import reason_to_stop, rule_of, rule_text
from landscape.store.metrics_row import MetricsRow
from landscape.store.run_status import EarlyStop, StopCause

FACTOR = "the distance was above 3 times its best, 9, at 3 evaluations in a row"
RULE = "stop.factor=2 stop.evaluations=2"


def add(store, fids, seed, loss="ns", steps=1000, stop=None, **more):
    frozen = config(loss, seed=seed, train__steps=steps)
    return add_run(store, fids, frozen | ({"stop": stop} if stop else {}), **more)


def rows_of(*rows):
    return [MetricsRow.from_json({**row, "protocol": "p"}, "row") for row in rows]


def stop_at(run, step, reason):
    run.write_status(replace(run.status(), stops=(EarlyStop(step=step, reason=reason),)))


def frames(store) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = analysis.collect(store)
    assert found.problems == []
    return found.runs, found.rows


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize(
    "rule",
    [
        Stop(factor=2.0, evaluations=1),
        Stop(factor=1.2, evaluations=3),
        Stop(loss_d=0.3, evaluations=2),
        Stop(factor=1.5, loss_d=0.2, evaluations=2),
        Stop(),
    ],
    ids=str,
)
def test_the_replay_stops_each_run_where_the_workers_rule_would(rule):
    rng = np.random.default_rng(1)
    rows, expected = [], []
    for run in range(150):
        n = int(rng.integers(1, 12))
        fids = [None if rng.random() < 0.2 else float(f) for f in rng.lognormal(2, 0.6, n)]
        losses = [None if rng.random() < 0.1 else float(loss) for loss in rng.uniform(-0.1, 0.6, n)]
        made = [{"step": 10 * i, "fid": f, "loss_d": d} for i, (f, d) in enumerate(zip(fids, losses, strict=True))]
        given = rows_of(*made)
        asked = (i for i in range(1, n - 1) if reason_to_stop(given[: i + 1], rule))
        expected.append(next(asked, -1))
        rows += [row | {"id": f"{run:03d}"} for row in made]
    frame = pd.DataFrame(rows).astype({"fid": float, "loss_d": float}).sample(frac=1, random_state=0)
    found = curves(frame)
    stops = dict(zip(found.ids, stops_at(found, rule), strict=True))
    assert [stops[f"{run:03d}"] for run in range(150)] == expected
    assert len(set(expected)) > 2 or rule == Stop()


def test_rules_are_read_back_as_they_were_written():
    for rule in (Stop(factor=3, evaluations=3), Stop(loss_d=1e-3, evaluations=2), Stop(factor=2.5, loss_d=0.1)):
        assert rule_of(str(rule_text(vars(rule)))) == Stop(rule.factor, rule.loss_d, rule.evaluations or 1)
    assert rule_text({}) is None and rule_text({"factor": None, "evaluations": 3}) is None
    with pytest.raises(ValueError, match="is not a stopping rule"):
        rule_of("factor=2 more=1")


def test_reasons_are_told_apart():
    saturated = reason_to_stop(rows_of({"step": 0, "loss_d": 0.0, "fid": 3.0}), Stop(loss_d=0.1, evaluations=1))
    rows = rows_of({"step": 0, "fid": 3.0}, {"step": 9, "fid": 30.0})
    collapsed = reason_to_stop(rows, Stop(factor=2, evaluations=1))
    assert saturated is not None and saturated.cause == StopCause.SATURATED
    assert collapsed is not None and collapsed.cause == StopCause.COLLAPSED
    causes = [("saturated", None), ("collapsed", None), ("pruned", "asha"), ("later", None), (None, None)]
    assert [kind(*one) for one in causes] == [
        *("saturated discriminator", "distance far above the run's best", "pruner asha", "other", "other"),
    ]


@pytest.mark.parametrize(
    ("reason", "cause", "pruner"),
    [
        ("the discriminator is saturated: its loss was at most 0.1 at 1 evaluations in a row", "saturated", None),
        (FACTOR, "collapsed", None),
        ("pruned by asha at step 500", "pruned", "asha"),
        ("by hand", None, None),
    ],
)
def test_a_cause_is_read_as_stored_and_of_an_old_store_by_its_sentence(store, reason, cause, pruner):
    old = add(store, [100.0, 9.0, 50.0], 0, status=STOPPED, reason=reason)
    new = add(store, [100.0, 9.0, 50.0], 1, status=STOPPED, reason="in other words")
    stop_at(old, 500, reason)
    stop = EarlyStop(step=500, reason="in other words", cause=cause, pruner=pruner)
    new.write_status(replace(new.status(), stops=(stop,)))
    runs, _ = frames(store)
    found = runs[["stop_cause", "pruner"]].astype(object).where(runs[["stop_cause", "pruner"]].notna(), None)
    assert found.to_numpy().tolist() == 2 * [[cause, pruner]]
    assert saved_table(runs)["stopped"].tolist() == [2]
    later = EarlyStop.from_json({"step": 1, "reason": reason, "cause": "of a later version"}, "status.json")
    assert later.known_cause is None and later.to_json()["cause"] == "of a later version"


def test_what_stopping_saved_is_at_the_runs_own_pace(store):
    add(store, [100.0, 9.0, 50.0], 0, status=STOPPED, reason=FACTOR)  # 500 of 1000 steps, every 250
    add(store, [100.0, 50.0], 1, status=STOPPED, reason="pruned by median at step 250")
    add(store, [100.0, 9.0, 8.0, 7.0, 6.0], 2)
    add(store, [100.0, 9.0, 8.0, 7.0, 6.0], 3, loss="wgan")
    runs, _ = frames(store)
    # 0.05 s an update and 0.4 s an evaluation: two evaluations to come, and three.
    assert sorted(saved_seconds(runs[runs["status"] == STOPPED])) == pytest.approx([25 + 0.8, 37.5 + 1.2])
    table = saved_table(runs).set_index("why")
    assert table.loc["pruner median", "steps_left"] == 750 and set(table["cell"]) == {"NS GP"}
    # Had none been stopped, each of the three runs of the cell had taken 52 s.
    assert table["saved_share"].sum() == pytest.approx((25.8 + 38.7) / 156)
    whole = saved_whole(runs, saved_table(runs))
    assert (whole["stopped"], whole["runs"], whole["steps_left"]) == (2, 4, 1250)
    assert whole["saved_share"] == pytest.approx((25.8 + 38.7) / (4 * 52))


def test_a_step_cost_measured_apart_is_what_is_saved(store):
    add(store, [100.0, 9.0, 50.0], 0, status=STOPPED, reason=FACTOR)
    runs, _ = frames(store)
    assert saved_seconds(runs.assign(train_s=2.0 * runs["step"])).item() == pytest.approx(1000 + 0.8)


def test_what_would_have_been_lost(store):
    add(store, [100.0, 10.0, 30.0, 30.0, 5.0], 0)  # ends best of all, and would have been stopped
    add(store, [100.0, 10.0, 30.0, 40.0, 60.0], 1)  # only gets worse
    add(store, [100.0, 10.0, 9.0, 8.0, 7.0], 2)
    add(store, [100.0, 10.0, 30.0, 30.0, None], 3, status=DIVERGED, reason="loss_d is not finite")
    add(store, [100.0, 20.0, 19.0, 18.0, 17.0], 0, loss="wgan")
    runs, rows = frames(store)
    table = replay_table(runs, rows, [RULE]).set_index("cell")
    row = table.loc["NS GP"]
    assert (row["runs"], row["stopped"], row["lost_later"]) == (4, 3, 1)
    assert (row["best"], row["best_left"], row["top"], row["top_stopped"]) == (5, 7, 1, 1)
    assert (row["lower"], row["fall_from"], row["fall_to"]) == (1, 30, 5)
    assert row["ratio"] == pytest.approx(1.5)  # of 5 / 30, 60 / 40 and infinity
    # Each of the three is spared its last quarter and one evaluation of five.
    assert row["share"] == pytest.approx(3 * (12.5 + 0.4) / (4 * 52))
    whole = table.loc["all cells"]
    assert (whole["runs"], whole["stopped"], whole["top"], whole["top_stopped"]) == (5, 3, 2, 1)
    assert np.isnan(whole["best"]) and whole["share"] == pytest.approx(3 * 12.9 / (5 * 52))


def test_a_stop_at_a_distance_that_is_not_finite_counts_as_a_fall_from_infinity(store):
    add(store, [100.0, 10.0, None, None, 5.0], 0)
    row = replay_table(*frames(store), [RULE]).iloc[0]
    assert (row["stopped"], row["lower"], row["fall_from"], row["fall_to"], row["ratio"]) == (1, 1, np.inf, 5, 0)
    assert np.isnan(row["best_left"])


def test_rules_that_no_run_is_long_enough_for_are_not_replayed(store):
    add(store, [100.0, 10.0, 9.0], 0, steps=500)
    assert replay_table(*frames(store), ["stop.factor=2 stop.evaluations=3"]).empty
    assert len(replay_table(*frames(store), [RULE])) == 1


def test_the_rules_are_those_of_the_store_else_three_usual_ones(store):
    add(store, [100.0, 10.0], 0)
    assert [rule_of(text).factor for text in rules_of(frames(store)[0])] == [2, 3, 5]
    add(store, [100.0, 10.0], 1, stop={"factor": 4, "loss_d": None, "evaluations": 2})
    assert rules_of(frames(store)[0]) == ["stop.factor=4 stop.evaluations=2"]


def test_runs_that_a_rule_let_go_on_are_no_evidence_where_it_stopped_others(store):
    rule = {"factor": 2, "loss_d": None, "evaluations": 2}
    fids = [100.0, 10.0, 9.0, 8.0, 7.0]
    add(store, fids, 0, stop=rule)
    add(store, fids, 1)
    add(store, fids, 0, loss="wgan", stop=rule)
    assert len(free_runs(frames(store)[0])) == 3, "nothing was stopped"
    add(store, [100.0, 9.0, 50.0], 2, stop=rule, status=STOPPED, reason=FACTOR)
    free = free_runs(frames(store)[0])
    assert sorted(zip(free["cell"], free["seed"], strict=True)) == [("NS GP", 1), ("WGAN GP", 0)]


def test_a_stopped_run_that_was_finished_later_is_a_measurement(store):
    run = add(store, [100.0, 10.0, 30.0, 30.0, 5.0], 0)
    stop_at(run, 750, FACTOR)
    lost = add(store, [100.0, 10.0, 30.0, None], 1, status=DIVERGED, reason="loss_d is not finite")
    stop_at(lost, 500, FACTOR)
    add(store, [100.0, 10.0, 30.0], 2, status=STOPPED, reason=FACTOR)
    runs, rows = frames(store)
    table = taken_up(runs, rows)
    assert table[["id", "then", "end"]].values.tolist() == [[run.id, 30, 5], [lost.id, 30, np.inf]]
    assert runs.set_index("seed")["stopped_at"].sort_index().tolist() == [750, 500, 500], (
        "a store from before stops were kept"
    )


def test_the_page_says_what_was_saved_and_what_it_would_have_cost(store, tmp_path):
    add(store, [100.0, 9.0, 50.0], 0, status=STOPPED, reason=FACTOR)
    add(store, [100.0, 10.0, 30.0, 30.0, 30.0, 5.0], 1, steps=1250)
    stop_at(add(store, [100.0, 10.0, 30.0, 30.0, 5.0], 2), 750, FACTOR)
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    for words in (
        "1 of 3 runs was stopped early: 500 D updates and 26 s not spent, 15 % of",
        "Above 2 × best, 3 evaluations in a row: stops 1 of 2 runs and saves",
        "improved after that evaluation; the largest improvement was from 30 to 5",
        "three rules (no run here had one)",
        "finished by another",
    ):
        assert words in page, words
    for name in ("stopped", "replay", "taken"):
        for suffix in ("csv", "tex"):
            assert (tmp_path / "out" / "tables" / f"01-digits-{name}.{suffix}").is_file()


def test_where_nothing_was_or_would_be_stopped_the_page_says_so_in_a_line(store, tmp_path):
    add(store, [100.0, 20.0, 15.0, 12.0, 10.0], 0)
    frames_, said = early_stopping_tables(*frames(store))
    assert said["saved"] == "" and "replay" not in frames_ and len(said["cost"]) == 1
    assert said["cost"][0].startswith("No rule would have stopped any of the 1 finished runs")


def test_short_curves_say_nothing_of_stopping(store, tmp_path):
    add(store, [100.0, 20.0, 10.0], 0, steps=500)
    make_report(store, tmp_path / "out")
    assert "Early stopping" not in (tmp_path / "out" / "index.html").read_text()


def test_where_every_finished_run_was_watched_the_cost_is_not_told(store):
    rule = {"factor": 2, "loss_d": None, "evaluations": 2}
    add(store, [100.0, 10.0, 9.0, 8.0, 7.0], 0, stop=rule)
    add(store, [100.0, 9.0, 50.0], 2, stop=rule, status=STOPPED, reason=FACTOR)
    _, said = early_stopping_tables(*frames(store))
    assert not said["replayed"] and said["cost"] == [
        "The cost in quality is unknown: every finished run was under a rule too."
    ]


def test_rows_from_elsewhere_tell_what_was_saved_and_nothing_is_replayed(store, tmp_path):
    rule = {"factor": 2, "loss_d": None, "evaluations": 2}
    add(store, [100.0, 9.0, 50.0], 0, stop=rule, status=STOPPED, reason=FACTOR)
    add(store, [100.0, 10.0, 9.0, 8.0, 7.0], 1)
    add(store, [], 2, status=PLANNED)
    make_report(store, tmp_path / "out")
    assert "replayed on" in (tmp_path / "out" / "index.html").read_text()
    assert main(["--csv", str(tmp_path / "out" / "runs.csv"), "--out", str(tmp_path / "again")]) == 0
    page = (tmp_path / "again" / "index.html").read_text()
    assert "1 of 2 runs was stopped early" in page, "the run that was not begun does not count"
    assert "replayed on" not in page
    for name in ("out", "again"):
        saved = pd.read_csv(tmp_path / name / "tables" / "01-digits-stopped.csv")
        assert saved["saved_s"].item() == pytest.approx(25.8)


def test_a_stopped_row_without_its_step_is_told_without_a_sum(tmp_path):
    file, out = tmp_path / "runs.csv", tmp_path / "out"
    file.write_text("data,arch,loss,penalty,norm,fid,status\nd,a,ns,gp,none,9,stopped\nd,a,ns,gp,none,8,done\n")
    assert main(["--csv", str(file), "--out", str(out)]) == 0
    assert "1 run on d was stopped early (the time saved is unknown)" in (out / "index.html").read_text()


def test_diverged_runs_are_never_the_best_that_a_rule_would_have_stopped(store):
    for seed in range(3):
        add(store, [100.0, 90.0, 400.0, 500.0, 600.0, None], seed, loss="wgan")
    runs, rows = frames(store)
    made = replay_table(runs, rows, ["stop.factor=2 stop.evaluations=3"])
    assert made[["stopped", "top", "top_stopped"]].to_numpy().tolist() == [[3, 0, 0]]
