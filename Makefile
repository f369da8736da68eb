# Two commands: `make report` and `make test`; `make check` before a commit. Each makes the environment by itself; `make help` lists the rest.
# A Python that is not the first one found: make report PYTHON=/path/to/python3.12

BIN := .venv/bin
MODEL ?=
DATA ?=
export MODEL DATA

.DEFAULT_GOAL := help
.PHONY: help setup report check test lab bench clean-check lint types rules notebooks pytest wheel clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed  ## make .venv with the tested versions of constraints.txt

.venv/.installed: pyproject.toml constraints.txt
	@python="$(PYTHON)"; \
	for candidate in $${python:-python3.11 python3.12 python3.13 python3}; do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && found="$$candidate" && break; \
	done; \
	[ -n "$$found" ] || { echo "make: no Python >= 3.11 found; install one or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	echo "Making .venv with $$("$$found" --version); the first time takes some minutes." >&2; \
	"$$found" -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

ifeq ($(strip $(MODEL)$(DATA)),)
report: setup  ## train the packaged detector and write its four reports; or your own: MODEL=folder DATA=file
	@$(BIN)/secml train -p epochs=1 -p learning_rate=1e-4 -p trainable_layers=3  # fewer layers learn less of the corpus, and more of what holds outside it
	@$(BIN)/secml report all
else
report: setup
	@$(BIN)/secml report all $(if $(MODEL),--model "$$MODEL") $(if $(DATA),--data "$$DATA")
endif

check: setup clean-check lint types rules  ## for every commit, seconds: notebooks clean and exported, lint, types, the repository's rules

test: export SECML_THREADS = 1
test: export OMP_NUM_THREADS = 1
test: export NUMBA_DISABLE_JIT = 1
test: setup  ## all checks, minutes: those of `make check`, the notebooks and pytest, side by side
	@$(MAKE) --no-print-directory --jobs 3 clean-check lint types rules notebooks pytest

notebooks: setup  # each runs; the templates do in tests/test_templates.py
	$(BIN)/nbdev-test --n-workers 1 --timing --skip-file-re '^([_.]|5[0-9]_)'

pytest: setup
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/test_repository.py

clean-check: setup  # the notebooks are clean, and the package is what they export
	$(BIN)/python tests/check_notebooks.py

lint: setup
	$(BIN)/ruff check

types: setup
	$(BIN)/mypy

rules: setup
	$(BIN)/pytest -q tests/test_repository.py

lab: setup  ## JupyterLab on the start notebook
	$(BIN)/jupyter lab nbs/start.ipynb

bench: setup  ## the benchmarks; each writes benchmarks/results/<name>.json
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

wheel: setup  ## the wheel, in dist/
	$(BIN)/python -m build --wheel

clean:  ## remove what the workbench made (not .venv)
	rm -rf models .secml reports/*/ reports/index.html dist .mypy_cache .ruff_cache .pytest_cache
