# `make help` lists the targets. The variables can be given: make report STORE=/data/outputs. For another Python:
# make test PYTHON=python3.13 VENV=.venv-3.13 TESTS="-k search"
PYTHON ?= python3
STORE ?= outputs
OUT ?= report
SCORE ?=
VENV ?= .venv
TESTS ?=
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo report dirac lab test test-all check bench bench-statistics bench-race bench-power bench-replay bench-law race-thresholds clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## make .venv and install the package with its tools (3 minutes, 6 GB the first time)

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; give one with PYTHON=..."; exit 2; }
	@echo "making $(VENV) and installing; torch with its libraries is large: about 3 minutes and 6 GB"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## train the demo's grid on the embedded digits and write report/index.html (minutes on idle cores)
	$(BIN)/python -m landscape.sweep study=demo "store='$(STORE)'"
	$(BIN)/python -m analysis.report "store=$(STORE)" --out "$(OUT)"

report: install dirac ## rebuild the page from whatever the store holds; SCORE=is compares by another score
	$(BIN)/python -m analysis.report "store=$(STORE)" --out "$(OUT)" $(if $(SCORE),--score "$(SCORE)")

dirac: install ## draw the phase portraits of the Dirac-GAN into report/dirac (10 to 40 seconds)
	$(BIN)/python -m analysis.dirac --out "$(OUT)/dirac"

lab: install ## draw the laboratory of closed forms into report/lab, and check it (under a minute)
	$(BIN)/python -m analysis.lab --out "$(OUT)/lab"

PYTEST = $(BIN)/python -m pytest -n 2 --dist loadgroup

test: install ## run the tests but the slow ones (about 10 minutes on 2 cores)
	$(PYTEST) -m "not slow" $(TESTS)

test-all: install ## run all tests (half an hour on 2 idle cores, an hour on busy ones), as CI does
	$(PYTEST) $(TESTS)

check: install ## lint and check types, of the tests too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install ## time training, scoring, and planning and submitting 10,000 runs
	$(BIN)/python -m pytest tests/benchmarks/bench_speed.py --benchmark-enable --benchmark-only --benchmark-columns=min,median,max,rounds

bench-statistics: install ## simulate how often the report's claims are false and how often a difference is found (minutes)
	$(BIN)/python tests/benchmarks/bench_statistics.py

bench-race: install ## simulate how often races name a wrong cell, and how many runs they take (minutes)
	$(BIN)/python tests/benchmarks/bench_race.py

bench-replay: install ## what races and partial runs would have cost in a finished study (minutes): STORE=outputs
	$(BIN)/python tests/benchmarks/bench_replay.py $(or $(STORE),outputs)

bench-power: install ## simulate whether a predicted power of 80 % is what is then seen (minutes)
	$(BIN)/python tests/benchmarks/bench_power.py

bench-law: install ## simulate whether bands of a law of random search hold beyond its runs (a minute)
	$(BIN)/python tests/benchmarks/bench_law.py

race-thresholds: install ## draw the thresholds of races again, sweeps/race/thresholds.csv (minutes of one core)
	$(BIN)/python tests/benchmarks/make_race_thresholds.py

clean: ## remove what can be made again, but neither the store nor the report
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
