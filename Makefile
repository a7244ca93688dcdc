# `make demo` and `make test` do all the set-up themselves. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GENERATOR := bundles/brain_mri_generator
TRANSLATOR := bundles/brain_mri_slice2volume_translator
ADAPTIVE := bundles/brain_mri_adaptive_translator
DEMO_DIR := output/demo

.PHONY: demo test lint install clean

install: $(VENV)/.installed

# A change of the dependencies makes the environment anew.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name one with PYTHON=...')"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[phantom,report,legacy,test]'
	touch $@

demo: install
	rm -rf $(DEMO_DIR)
	$(BIN)/python -m monai.bundle run --config_file $(GENERATOR)/configs/inference.json --bundle_root $(GENERATOR) \
		--output_dir $(DEMO_DIR)/generated --num_samples 8
	$(BIN)/python -m brain_bundles phantom $(DEMO_DIR)/phantoms --num_subjects 4 --seed 1
	$(BIN)/python -m monai.bundle run --config_file $(TRANSLATOR)/configs/inference.json --bundle_root $(TRANSLATOR) \
		--dataset_dir $(DEMO_DIR)/phantoms --output_dir $(DEMO_DIR)/translated
	$(BIN)/python -m monai.bundle run --config_file $(ADAPTIVE)/configs/inference.json --bundle_root $(ADAPTIVE) \
		--dataset_dir $(DEMO_DIR)/phantoms --targets missing --output_dir $(DEMO_DIR)/filled_in
	@echo
	@echo "8 generated brains: $(DEMO_DIR)/generated"
	@echo "  picture:    $(DEMO_DIR)/generated/preview.png"
	@echo "  conditions: $(DEMO_DIR)/generated/participants.tsv"
	@echo "  volumes:    $(DEMO_DIR)/generated/sub-*/anat/*_T1w.nii.gz"
	@echo "4 phantoms, T1w to T2w: $(DEMO_DIR)/translated"
	@echo "  picture:    $(DEMO_DIR)/translated/preview.png"
	@echo "  volumes:    $(DEMO_DIR)/translated/sub-*/anat/*_T2w.nii.gz"
	@echo "the same 4, what they lack (T2w, FLAIR, T1w with contrast agent): $(DEMO_DIR)/filled_in"
	@echo "  picture:    $(DEMO_DIR)/filled_in/preview.png"
	@echo "  volumes:    $(DEMO_DIR)/filled_in/sub-*/anat/*.nii.gz, each with a .json that says what it was made from"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) output build
