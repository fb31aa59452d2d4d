# The two commands of the README are `make demo` and `make test`; both install first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: install demo test lint types unit torture bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/fusionser corpora generate $(DEMO)/recordings
	$(BIN)/fusionser corpora check demo $(DEMO)/recordings
	$(BIN)/fusionser extract $(DEMO)/recordings --corpus demo --out $(DEMO)/features.parquet
	$(BIN)/fusionser evaluate $(DEMO)/features.parquet --classifier svm --protocol speaker-kfold --out $(DEMO)/report
	$(BIN)/fusionser evaluate $(DEMO)/recordings --corpus demo --preset ser-fusionnet --classifier bilstm --epochs 20 --protocol speaker-holdout
	$(BIN)/fusionser fit $(DEMO)/features.parquet --classifier svm --out $(DEMO)/model.fusionser
	$(BIN)/fusionser predict $(DEMO)/model.fusionser $(DEMO)/recordings/synthetic_f1_angry_s1_01.wav
	$(BIN)/fusionser predict $(DEMO)/recordings/synthetic_f1_angry_s1_01.wav
	@echo "The report: $(DEMO)/report/report.md"

test: lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

unit: install
	$(BIN)/pytest --numprocesses 2 --dist loadscope --durations 15

torture: install
	PYTHONPATH=tests $(BIN)/python -m torture

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
