# make run        sample books in, results out      make test    every check there is
# make backtest   strategies over them, a report
# make live   a live market on this machine     make help    the rest
#
# Needs Python 3.11 or newer with venv and pip, nothing else; everything is installed into $(VENV).
# The tests that need a broker start one where a JDK and Maven are, else they report that they were skipped.

PYTHON ?= python3
VENV := .venv
COMPILED := .venv-compiled
SAMPLE := sample
OUT := out
BACKTEST := build/backtest
STRATEGIES := examples/backtest.toml

PY := $(VENV)/bin/python
COMPILED_PY := $(COMPILED)/bin/python
BUILD_FILES := pyproject.toml setup.py
# Exact versions with hashes of all that development and continuous integration install.
LOCK := requirements/dev.txt
CORE := $(shell find streams schemas replay tapeline -type f -not -path '*/__pycache__/*')
# Folders without Python files are an error to mypy.
CODE := tapeline tests $(patsubst %/,%,$(sort $(dir $(wildcard benchmarks/*.py examples/*.py))))

# As long as all others that need a broker.
WORKER_TESTS := $(wildcard tests/kafka/test_worker*.py)
# What the floor of branch coverage is of.
MEASURED_TESTS := $(addprefix tests/unit/,schemas streams/core streams/pipeline)
# Those of live feeds run other folders.
TRACED_TESTS := $(filter-out %/test_live_feeds.py,$(wildcard tests/properties/test_*.py))
RULE_TESTS := tests/properties
# Processes that are killed, and feeds that wait for time: beside the broker's, which wait as well.
STORE_TESTS := tests/live $(addprefix tests/unit/streams/,ingest store)
# What the build can change: the core, and what needs nothing else.
COMPILED_TESTS := tests/house/test_build.py $(addprefix tests/unit/streams/,core embedded pipeline) \
	tests/properties tests/golden tests/oracle

SAMPLE_BOOKS := --bars ES=$(SAMPLE)/es.csv --bars NQ=$(SAMPLE)/nq.csv

# A newer pip is no news for a user who wants to see a run.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes: without bytecode on disk each compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run backtest live test lint fix lock pure-test rule-test store-test broker-test worker-test client-test coverage compiled compiled-test compiled-test-if-possible bench bench-corrections bench-indicators bench-kafka bench-replay bench-ingest bench-backtest bench-compiled soak schemas calendars clean

help:
	@echo "make run        install, write sample books, run them, print the summary"
	@echo "make backtest   the shipped strategies over the sample books, with a report: $(BACKTEST)-report"
	@echo "make live       a small exchange and a feed of it, as a live table, until Ctrl-C (SECONDS=20)"
	@echo "make test       lint, all tests, and the tests on the compiled core where a compiler is"
	@echo "make lint       ruff and mypy --strict"
	@echo "make coverage   branches of core, pipeline and contracts that unit and property tests reach"
	@echo "make fix        what ruff can mend: format and lint"
	@echo "make lock       write $(LOCK) again after pyproject.toml changed (UPGRADE=--upgrade: newest versions)"
	@echo "make compiled   install with the core compiled, into $(COMPILED)"
	@echo "make bench      benchmarks/core.py on the plain Python core; bench-compiled on the other"
	@echo "make bench-corrections  benchmarks/corrections.py: what a late or changed bar costs"
	@echo "make bench-indicators   benchmarks/indicators.py: what indicators add to a bar"
	@echo "make soak       ten minutes of several workers killed, wiped and paused (SOAK=minutes)"
	@echo "make bench-kafka  benchmarks/kafka.py: workers on a broker, against loops by hand"
	@echo "make bench-replay  benchmarks/replay.py: what a replay costs beside the core it runs"
	@echo "make bench-ingest  benchmarks/ingest.py: what a live feed costs, and how long an outage is felt"
	@echo "make bench-backtest  benchmarks/backtest.py: a crossover here and in other backtesters (PEERS=python that has them)"
	@echo "make schemas    write the generated JSON Schemas, AsyncAPI document, docs/events.md and docs/indicators.md again"
	@echo "make calendars  make the calendar artefacts again (installs the extra 'calendars')"
	@echo "make clean      remove what runs and builds left, the virtual environments too"

run: $(VENV)/.installed-runtime
	$(VENV)/bin/tapeline sample $(SAMPLE)
	$(VENV)/bin/tapeline run $(SAMPLE_BOOKS) --out $(OUT)

backtest: $(VENV)/.installed-runtime
	$(VENV)/bin/tapeline sample $(SAMPLE)
	$(VENV)/bin/tapeline replay $(SAMPLE_BOOKS) --config $(STRATEGIES) --strategy all --out $(BACKTEST)
	$(VENV)/bin/tapeline report $(BACKTEST) --config $(STRATEGIES)

live: $(VENV)/.installed-runtime
	rm -rf build/live
	$(PY) examples/live_market.py build/live $(if $(SECONDS),--seconds $(SECONDS))

# Four lanes on two cores. Broker tests wait most of their time, each lane with a broker of its own;
# what only computes gives way to them.
LANE := $(MAKE) --no-print-directory
test: $(VENV)/.installed-dev
	$(PY) tests/side_by_side.py nice -n 5 $(LANE) lint pure-test LEFT_OUT='$(MEASURED_TESTS) $(RULE_TESTS) $(STORE_TESTS)' \
		-- nice -n 5 $(LANE) coverage rule-test compiled-test-if-possible -- $(LANE) worker-test store-test -- $(LANE) client-test

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict $(CODE)

fix: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The tracer makes property tests three times as slow: three examples each show what they reach.
coverage: $(VENV)/.installed-dev
	$(PY) -m coverage run -m pytest --quiet --durations=40 $(MEASURED_TESTS)
	TAPELINE_HYPOTHESIS=traced $(PY) -m coverage run --append -m pytest --quiet --durations=40 $(TRACED_TESTS)
	$(PY) -m coverage report

# In `test`, what the second lane runs is left out.
pure-test: $(VENV)/.installed-dev
	$(PY) -m pytest --durations=40 $(addprefix --ignore=,tests/kafka $(LEFT_OUT))

rule-test: $(VENV)/.installed-dev
	$(PY) -m pytest --durations=40 $(RULE_TESTS)

store-test: $(VENV)/.installed-dev
	$(PY) -m pytest --durations=40 $(STORE_TESTS)

broker-test: worker-test client-test

worker-test: $(VENV)/.installed-dev
	$(PY) -m pytest --durations=40 $(WORKER_TESTS)

client-test: $(VENV)/.installed-dev
	$(PY) -m pytest --durations=40 tests/kafka $(addprefix --ignore=,$(WORKER_TESTS))

# Without a compiler the test run reports what it left out, rather than failing.
compiled-test-if-possible: $(VENV)/.installed-dev
	@if ! command -v cc >/dev/null 2>&1 && ! command -v gcc >/dev/null 2>&1; then \
		echo "The compiled core was NOT tested: no C compiler (cc or gcc) found."; \
	elif ! $(PY) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; then \
		echo "The compiled core was NOT tested: a C compiler is here, but Python's headers (Python.h) are not."; \
	else \
		$(MAKE) --no-print-directory compiled-test; \
	fi

# Both builds run the sample books; then the tests run from a copy outside the source tree, so that
# `tapeline.streams` is the compiled installation (test_build.py fails if it is not).
compiled-test: compiled $(VENV)/.installed-dev
	rm -rf build/parity build/compiled
	$(VENV)/bin/tapeline sample build/parity/sample
	for venv in $(VENV) $(COMPILED); do \
		$$venv/bin/tapeline run $(subst $(SAMPLE)/,build/parity/sample/,$(SAMPLE_BOOKS)) \
			--out build/parity/out$$venv >build/parity/summary$$venv || exit $$?; \
	done
	diff -r build/parity/out$(VENV) build/parity/out$(COMPILED)
	mkdir -p build/compiled
	cp -R pyproject.toml Makefile $(wildcard *.md docker-compose.yml Dockerfile .dockerignore tests docs examples benchmarks deploy) build/compiled
	cd build/compiled && TAPELINE_EXPECT_COMPILED=1 TAPELINE_HYPOTHESIS=short PYTHONPATH= \
		"$(CURDIR)/$(COMPILED_PY)" -m pytest --durations=40 -p no:cacheprovider -m "not source_tree" $(COMPILED_TESTS)

compiled: $(COMPILED)/.installed

bench: $(VENV)/.installed-runtime
	$(PY) benchmarks/core.py

bench-corrections: $(VENV)/.installed-runtime
	$(PY) benchmarks/corrections.py

bench-indicators: $(VENV)/.installed-runtime
	$(PY) benchmarks/indicators.py

soak: $(VENV)/.installed-dev
	TAPELINE_SOAK=$(or $(SOAK),10) $(PY) -m pytest tests/kafka/test_worker_soak.py

bench-kafka: $(VENV)/.installed-dev
	$(PY) benchmarks/kafka.py

bench-replay: $(VENV)/.installed-dev
	$(PY) benchmarks/replay.py

bench-ingest: $(VENV)/.installed-runtime
	$(PY) benchmarks/ingest.py

# Peers run in an environment of their own: PEERS=path/to/its/bin/python.
bench-backtest: $(VENV)/.installed-runtime
	$(PY) benchmarks/backtest.py $(if $(PEERS),--peers $(PEERS))

bench-compiled: compiled
	$(COMPILED_PY) benchmarks/core.py

lock: $(VENV)/.installed-dev
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		$(UPGRADE) --extra dev --custom-compile-command "make lock" --output-file $(LOCK) pyproject.toml

schemas: $(VENV)/.installed-runtime
	$(PY) -m tapeline.schemas.documents.json_schema

calendars: $(VENV)/.installed-runtime
	$(PY) -m pip install --quiet --editable '.[calendars]'
	$(PY) -m tapeline.streams.calendars.build

clean:
	rm -rf $(VENV) $(COMPILED) build dist *.egg-info $(OUT) $(SAMPLE)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find schemas streams replay tapeline tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# An environment that is already there is used as it is.
$(PY) $(COMPILED_PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)

# Stamps lie inside the environments: who removes one removes its stamps.
$(VENV)/.installed-runtime: $(BUILD_FILES) | $(PY)
	@echo "Installing tapeline into $(VENV)"
	$(PY) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(BUILD_FILES) $(LOCK) | $(PY)
	@echo "Installing tapeline and what its tests need into $(VENV)"
	$(PY) -m pip install --quiet --require-hashes --requirement $(LOCK)
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed-runtime

# build/ is emptied first: setuptools installs whatever an earlier build left there.
$(COMPILED)/.installed: $(BUILD_FILES) $(LOCK) $(CORE) | $(COMPILED_PY)
	@echo "Compiling the core and installing it into $(COMPILED)"
	$(COMPILED_PY) -m pip install --quiet --require-hashes --requirement $(LOCK)
	rm -rf build
	TAPELINE_COMPILE=1 $(COMPILED_PY) -m pip install --quiet --no-deps --no-build-isolation .
	@touch $@
