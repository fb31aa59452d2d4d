# The two commands of the README are `make demo` and `make test`; both install first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: install demo test lint types unit stubs docs torture bench dist lock clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 3 minutes, and 2.3 GB; several GB more on Linux, unless the CPU build of torch is in $(VENV) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	# Of Resemblyzer only the file of weights is used, so nothing that it needs is installed.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps Resemblyzer
	touch $@

demo: install
	$(BIN)/fusionser corpora generate $(DEMO)/recordings
	$(BIN)/fusionser corpora check demo $(DEMO)/recordings
	$(BIN)/fusionser extract $(DEMO)/recordings --corpus demo --out $(DEMO)/features.parquet
	$(BIN)/fusionser evaluate $(DEMO)/features.parquet --classifier svm --protocol speaker-kfold --out $(DEMO)/report
	$(BIN)/fusionser evaluate $(DEMO)/recordings --corpus demo --preset ser-fusionnet --classifier bilstm --epochs 40 --protocol speaker-holdout
	$(BIN)/fusionser fit $(DEMO)/features.parquet --classifier svm --out $(DEMO)/model.fusionser
	$(BIN)/fusionser predict $(DEMO)/model.fusionser $(DEMO)/recordings/synthetic_f1_angry_s1_01.wav
	$(BIN)/fusionser predict $(DEMO)/recordings/synthetic_f1_angry_s1_01.wav
	@echo "The last answer is by the included model, which learned from human voices, so it is of no use on synthetic ones."
	@echo "The report: $(DEMO)/report/report.html"

test: lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

unit: install
	$(BIN)/pytest --numprocesses 2 --dist loadscope --durations 15

# The lists of public names in fusionser/*/__init__.pyi, from the registry.
stubs: install
	$(BIN)/python -m tools.stubs

# Outputs of commands in pages, then the site in docs/_build/html; a warning is an error. The gallery runs on a generated corpus.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m tools.pages
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky -b html docs docs/_build/html
	@echo "The site: docs/_build/html/index.html"

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "Installing what the documentation needs into $(VENV) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

torture: install
	PYTHONPATH=tests $(BIN)/python -m torture $(AREAS)

bench: install
	$(BIN)/python -m benchmarks

# The wheel and the sdist, checked, and the wheel used from a new environment.
dist:
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet build==1.6.1 twine==7.0.0
	rm -rf build dist
	.venv-release/bin/python -m build
	.venv-release/bin/python -m twine check --strict dist/*
	.ci/check-wheel $(PYTHON) dist/*.whl

# For releases: all dependencies with hashes, from PyPI, and their licences.
lock: install
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet uv==0.13.9 pip-licenses==5.5.5
	.venv-release/bin/uv pip compile pyproject.toml --constraints constraints.txt --universal --generate-hashes \
		--python-version 3.11 --no-header --quiet --output-file requirements.lock
	cat docs/licences-head.txt > docs/licences.md
	.venv-release/bin/pip-licenses --python=$(BIN)/python --from=mixed --format=markdown --with-urls --with-system \
		--packages $$(sed -nE 's/^([A-Za-z0-9_.-]+)==.*/\1/p' requirements.lock) >> docs/licences.md

clean:
	rm -rf $(VENV) .venv-release $(DEMO) build dist *.egg-info docs/_build docs/auto_gallery docs/explanations/pictures docs/reference/commands \
		docs/reference/names.md docs/reference/python docs/repository docs/sg_execution_times.rst .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
