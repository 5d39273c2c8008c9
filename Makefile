# One word per act. Every word sets up what it needs on a machine with Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: docs demo demo-network demo-platform test front-end fast lint bench architecture checklist house clean

demo: $(VENV)/installed
	$(BIN)/headwater demo --out headwater-demo --no-open

demo-network: $(VENV)/installed
	@mkdir -p headwater-demo-network
	@$(BIN)/headwater serve --open --store headwater-demo-network/network.db & service=$$!; \
	trap 'kill $$service 2>/dev/null; wait $$service' EXIT; trap 'exit 0' INT TERM; \
	$(BIN)/headwater replay --speed 7200

demo-platform: $(VENV)/installed
	$(BIN)/headwater demo-platform --out headwater-demo-platform

test: $(VENV)/installed-test lint front-end
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fast: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	MPLBACKEND=agg $(BIN)/sphinx-build -W --keep-going -q -j 2 -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

front-end: $(VENV)/installed-test
	$(BIN)/python frontend/build.py --test

checklist: demo
	$(BIN)/python docs/make_checklist.py headwater-demo/results

architecture:
	$(PYTHON) docs/draw_architecture.py

house:
	$(PYTHON) docs/measure_house.py

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf docs/_build docs/api docs/auto_gallery $(VENV) headwater-demo headwater-demo-network headwater-demo-platform frontend/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Headwater needs Python 3.11 or newer. Found: " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml frontend/package-lock.json | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-bench: pyproject.toml frontend/package-lock.json | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	touch $@ $(VENV)/installed-test $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@ $(VENV)/installed

$(VENV)/installed-test: pyproject.toml frontend/package-lock.json | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/installed
