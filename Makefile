# The index of commands. Each prepares .venv once and then starts in seconds.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: app demo test lint types pytest clean
.DEFAULT_GOAL := app

app: $(VENV)/app.stamp  ## the dashboard on http://127.0.0.1:8501
	$(PY) -m streamlit run ui/app.py

demo: $(VENV)/app.stamp  ## VOGN beside AdamW on digits, no browser
	$(PY) -m trainers demo

test: lint types pytest  ## everything CI runs

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/dev.stamp
	$(PY) -m mypy

pytest: $(VENV)/dev.stamp
	$(PY) -m pytest -n 2 --dist loadfile --durations 15

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "VOGN App needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/app.stamp: requirements.txt pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements.txt pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[app,dev]'
	@touch $@ $(VENV)/app.stamp

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
