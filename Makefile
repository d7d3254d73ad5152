# Python 3.11 to 3.13, make and a package registry are all that this needs.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
UV := .uv/bin/uv
READY := .venv/.ready
BENCH := .venv-bench/bin/python
BENCH_READY := .venv-bench/.ready

.PHONY: demo test test-quick torture long-backfill lint format bench bench-long calibrate set-up

demo: set-up
	.venv/bin/koers demo

# a process for each core, a file of tests at a time: files share what took long to make
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: set-up
	.venv/bin/pytest $(SIDE_BY_SIDE)

# everything that needs no server and no process
test-quick: set-up
	.venv/bin/pytest $(SIDE_BY_SIDE) -m "not e2e"

# at least 200 kills of real runs, and any order of everything: half an hour
torture: set-up
	KOERS_LONG=20 .venv/bin/pytest -o faulthandler_timeout=0 tests/unit/test_warehouse_stateful.py
	.venv/bin/python -m tests.torture.kills --kills 200
	.venv/bin/python -m tests.torture.kills --named --kills 60
	.venv/bin/python -m tests.torture.kills --prefect --kills 9

# 36 months of twenty accounts, killed five times, and what memory that takes
long-backfill: set-up
	.venv/bin/python -m tests.torture.long_backfill

lint: set-up
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/sqlfluff lint --processes 2 sql

format: set-up
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# beside the usual ways, in one run: a quarter of an hour
bench: $(BENCH_READY)
	$(BENCH) -m tests.bench.sources
	$(BENCH) -m tests.bench.daily_run
	$(BENCH) -m tests.bench.sql_build
	$(BENCH) -m tests.bench.many_targets

# 5 million rows of each source, and the models of 50 million
bench-long: $(BENCH_READY)
	$(BENCH) -m tests.bench.sources --long
	$(BENCH) -m tests.bench.sql_build --long

# how far the odds may be trusted, on seeded series with a known truth: a few minutes
calibrate: set-up
	.venv/bin/python -m tests.bench.calibrate

set-up: $(READY)

# The machine knows the certificates of a company's proxy, uv by itself does not.
# Byte code is compiled now: a process that has to do it itself starts ten seconds later.
$(READY): uv.lock pyproject.toml | $(UV)
	UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never \
		$(UV) sync --frozen --compile-bytecode --python .uv/bin/python
	.venv/bin/python -m compileall -q flows connectors
	@touch $@

# the libraries that Koers is measured against stay out of .venv
$(BENCH_READY): uv.lock pyproject.toml | $(UV)
	UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv-bench \
		$(UV) sync --frozen --compile-bytecode --no-dev --group bench --python .uv/bin/python
	$(BENCH) -m compileall -q flows connectors tests/bench
	@touch $@

$(UV):
	@test -n "$(PYTHON)" || { echo "Koers needs Python 3.11, 3.12 or 3.13, with its venv module"; exit 1; }
	"$(PYTHON)" -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.13,<1"
