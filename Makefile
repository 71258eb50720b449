PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
ATLAS ?= demo-atlas

.PHONY: help demo test lint types unit browser viewer chaos cluster-test bench format clean

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed ## Set up, then run the whole job on the bundled sample
	$(BIN)/vidatlas demo $(ATLAS)

test: lint types unit ## Set up, then lint, types and tests

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

unit: $(VENV)/installed browser
	$(BIN)/pytest --numprocesses 2 --dist loadfile

browser: ## Install the browser that pages are tested in, where it is missing and this is root on Debian
	@command -v chromium >/dev/null || test -n "$$VIDATLAS_CHROMIUM" || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-core >/dev/null; }

viewer: ## Bundle the map's libraries anew, the same bytes every time; needs npm
	cd viewer && npm ci --ignore-scripts --no-audit --no-fund && npx esbuild libraries.js --bundle --minify --format=iife \
		--global-name=libraries --legal-comments=none --charset=ascii --outfile=../src/vidatlas/views/map/libraries.min.js

chaos: $(VENV)/installed ## Kill, damage and starve the job, again and again (about 10 minutes)
	$(BIN)/pytest -m chaos tests/chaos

cluster-test: $(VENV)/installed ## Jobs, dying and joining nodes, the autoscaler, on real Ray clusters here (10 minutes or more; as root)
	$(BIN)/pytest -m cluster -s tests/cluster

bench: $(VENV)/installed ## Measure; needs DATA=folder with real videos (see benchmarks/README.md)
	$(BIN)/python -m benchmarks.parity --data $(DATA)
	$(BIN)/python -m benchmarks.encode --data $(DATA)
	$(BIN)/python -m benchmarks.sentence --data $(DATA)
	$(BIN)/python -m benchmarks.feeding --data $(DATA)
	$(BIN)/python -m benchmarks.savings --data $(DATA)
	$(BIN)/python -m benchmarks.real_file --data $(DATA)
	$(BIN)/python -m benchmarks.reduce
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.maps --data $(DATA)

format: $(VENV)/installed ## Let ruff format and mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and what the demo made
	rm -rf $(VENV) $(ATLAS)
