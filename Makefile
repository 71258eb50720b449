PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
ATLAS ?= demo-atlas
GPU_PYTHON ?= python3
GPU_OPTIONS ?=
WHEELS := wheels

.PHONY: help demo test lint types unit browser docs site chaos notebooks cluster-test bench gpu gpu-wheels format clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed ## Set up, then run the whole pipeline on the bundled sample
	$(BIN)/vidatlas demo $(ATLAS)

test: lint types unit ## Set up, then run linter, type checker and tests

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

unit: $(VENV)/installed browser
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

browser: ## Install the browser for the page tests, if it is missing (Debian, as root)
	@command -v chromium >/dev/null || test -n "$$VIDATLAS_CHROMIUM" || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-core >/dev/null; }

docs: $(VENV)/installed ## Build the documentation as a site in build/site; a warning or a dead link is an error
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(MAKE) site

site:
	$(BIN)/python -m tools.reference
	rm -rf build/site
	$(BIN)/zensical build --clean --strict

chaos: $(VENV)/installed ## Fault injection, and property tests with new examples: kill runs, damage files, break each safety (an hour or more)
	$(BIN)/pytest -m "chaos or hypothesis" --hypothesis-profile random tests

notebooks: $(VENV)/installed ## Run the notebooks of the recipes (minutes; the first one runs in `make test`)
	$(BIN)/pytest -m notebooks tests

cluster-test: $(VENV)/installed ## Test jobs, nodes that die and join, and the autoscaler, on real Ray clusters on this machine (10 minutes or more; as root)
	$(BIN)/pytest -m cluster -s tests/cluster

bench: $(VENV)/installed ## Run the benchmarks; needs DATA=folder with real videos (see benchmarks/README.md)
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

gpu: ## Check and measure the GPU path with this machine's own python3, which has torch; DATA=folder uses real videos
	test ! -d $(WHEELS) || test -d $(WHEELS)/site || $(GPU_PYTHON) -m pip install --quiet --no-index \
		--find-links $(WHEELS) --no-compile --target $(WHEELS)/site pydantic orjson threadpoolctl
	PYTHONPATH=src:.:$(WHEELS)/site $(GPU_PYTHON) -m benchmarks.gpu $(if $(DATA),--data $(DATA)) $(GPU_OPTIONS)

gpu-wheels: ## Collect the packages that `make gpu` needs on a machine with torch but no network: Python 3.11 to 3.13, Linux x86-64
	for python in 3.11 3.12 3.13; do \
		$(PYTHON) -m pip download --quiet --only-binary=:all: --implementation cp --python-version $$python \
			--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
			--constraint constraints.txt --dest $(WHEELS) pydantic orjson threadpoolctl || exit 1; \
	done
	du -sh $(WHEELS)

format: $(VENV)/installed ## Format with ruff and apply its automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and the demo's atlas
	rm -rf $(VENV) $(ATLAS)
