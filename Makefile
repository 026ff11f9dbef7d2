# make setup | demo | test. TORCH chooses the torch build, see the README.
PYTHON ?= python3
TORCH  ?= torch==2.13.0

.PHONY: setup demo test lint types check clean

setup: .venv/.ready

# mediapipe declares packages that nothing here imports, so the constraints list what is needed and no more.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q $(TORCH) -c constraints.txt
	.venv/bin/pip install -q --no-deps -r constraints.txt
	.venv/bin/pip install -q --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	.venv/bin/python predict.py --image data/example.png --output_dir results --force

test: setup lint types check

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup
	.venv/bin/mypy

check: setup
	.venv/bin/python -m pytest

clean:
	rm -rf .venv results .pytest_cache .mypy_cache .ruff_cache
