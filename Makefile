# Tools are taken from .venv where it exists, else from PATH.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

.PHONY: check format test bench demo

check:
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)mypy

format:
	$(BIN)ruff check --fix .
	$(BIN)ruff format .

test:
	$(BIN)pytest -n auto

bench:
	$(BIN)python benchmarks/train_step.py --qubits 10 12 14

demo:
	$(BIN)setfit-quantum demo
