# Everything runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= $$(grep '^torch==' constraints.txt)
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test bench lint clean help

help:
	@echo "make demo   install, convert the embedded shop, train A2D-MTL and rivals, print the table"
	@echo "make test   all tests"
	@echo "make bench  speed against the floor and against stock RecBole, side by side"
	@echo "make lint   ruff and mypy"

# torch first and by its exact version: its default build may bring gigabytes of GPU libraries,
# and TORCH=FILE takes another build of that version.
$(READY): setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=23'
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/python run_recbole_a2d.py demo

test: $(READY)
	$(BIN)/python -m pytest -q

# BENCH="--data dataset_atomic/diginetica" takes converted real data.
bench: $(READY)
	$(BIN)/python -m benchmarks $(BENCH)
	$(BIN)/python -m benchmarks.convert_speed
	$(BIN)/python -m benchmarks.recommend_latency --items 43000

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
