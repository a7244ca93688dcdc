# `make demo` and `make test` do all the set-up themselves. PYTHON chooses the interpreter (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUNDLE := bundles/brain_mri_generator
DEMO_DIR := output/demo

.PHONY: demo test lint install clean

install: $(VENV)/.installed

# A change of the dependencies makes the environment anew.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[phantom,report,legacy,test]'
	touch $@

demo: install
	$(BIN)/python -m monai.bundle run --config_file $(BUNDLE)/configs/inference.json --bundle_root $(BUNDLE) \
		--output_dir $(DEMO_DIR) --num_samples 8
	@echo
	@echo "8 generated brains: $(DEMO_DIR)"
	@echo "  picture:    $(DEMO_DIR)/preview.png"
	@echo "  conditions: $(DEMO_DIR)/participants.tsv"
	@echo "  volumes:    $(DEMO_DIR)/sub-*/anat/*_T1w.nii.gz"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) output build
