# make            environment, then every stage on the embedded sample
# make test       everything that CI checks
# make table      the tables in README.md and docs/results.md, from the committed records
# make screenshots
#                 the README's picture, from the last run's report (needs Chromium)
# make lock       requirements.lock anew from pyproject.toml

PYTHON ?= python3
VENV := .venv
RUN := . $(VENV)/bin/activate &&

.PHONY: all repository environment test table screenshots lock clean

all: repository environment
	@$(RUN) cifar10 doctor --repair-only && dvc repro && echo && cifar10 results

environment: $(VENV)/installed

# Before the gigabytes: whether DVC can work in this folder.
repository:
	@PYTHONPATH=src $(PYTHON) -m cifar10.app.health.repository

# --no-deps on both: the lock is complete, and what it does not name must not come in.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-deps -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	$(RUN) python docs/plots_page.py
	@touch $@

# A test file stays on one of two workers, since its tests share fixtures; one thread for each worker and its processes.
test: environment
	$(RUN) ruff check && ruff format --check && pyright && \
		OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder

table: environment
	$(RUN) python benchmarks/table.py

screenshots: environment
	$(RUN) python docs/screenshots.py

# One file for every platform and Python: environment markers say where a line applies. Pins that still fit are kept;
# `make lock LOCK=--upgrade` takes the newest.
lock: environment
	$(VENV)/bin/uv pip compile $(LOCK) --universal --python-version 3.11 --extra dev --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) logs runs dvc_plots
