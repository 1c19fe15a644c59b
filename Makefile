# Tools are taken from .venv where it exists, else from PATH.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

# `make bench` needs the rivals, which have an environment of their own: make bench PEERS=folder takes another one.
PEERS := .venv-peers

.PHONY: check lint format test bench bench-quick demo

check: lint
	$(BIN)mypy

lint:
	$(BIN)ruff check .
	$(BIN)ruff format --check .

format:
	$(BIN)ruff check --fix .
	$(BIN)ruff format .

test:
	$(BIN)pytest -n auto

# After 20 minutes no further rival is measured; then follow noise, shots and whole jobs.
bench: | $(PEERS)/bin/python
	$(PEERS)/bin/python benchmarks/compare_peers.py
	$(PEERS)/bin/python benchmarks/noise_step.py
	$(PEERS)/bin/python benchmarks/whole_job.py

bench-quick: | $(PEERS)/bin/python
	$(PEERS)/bin/python benchmarks/compare_peers.py --quick

$(PEERS)/bin/python:
	$(BIN)python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -e '.[demo]' -r benchmarks/peers/requirements.txt

demo:
	$(BIN)setfit-quantum demo
