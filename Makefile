# Every target does the set-up itself. PYTHON chooses the interpreter (3.11 or newer), WORKERS how many tests run at once.
PYTHON ?= python3
WORKERS ?= auto
VENV := .venv
BIN := $(VENV)/bin
GENERATOR := bundles/brain_mri_generator
TRANSLATOR := bundles/brain_mri_slice2volume_translator
ADAPTIVE := bundles/brain_mri_adaptive_translator
SEGMENTER := bundles/brain_mri_segmenter
DEMO_DIR := output/demo
# One worker for each core, up to 8, and one thread in each (tests/conftest.py). UTF-8, whatever a library does to the locale.
PYTEST = PYTHONUTF8=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8

.PHONY: help install demo docs lint test test-all clean

help: ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## .venv with this package, at the versions of constraints.txt

# A change of the dependencies makes the environment anew.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name one with PYTHON=...')"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[phantom,report,legacy,docs,test]'
	touch $@

demo: install ## generate 8 brains, translate 4 phantoms, segment 2 heads, into output/demo
	rm -rf $(DEMO_DIR)
	$(BIN)/python -m monai.bundle run --config_file $(GENERATOR)/configs/inference.json --bundle_root $(GENERATOR) \
		--output_dir $(DEMO_DIR)/generated --num_samples 8
	$(BIN)/python -m brain_bundles phantom $(DEMO_DIR)/phantoms --num_subjects 4 --seed 1
	$(BIN)/python -m monai.bundle run --config_file $(TRANSLATOR)/configs/inference.json --bundle_root $(TRANSLATOR) \
		--dataset_dir $(DEMO_DIR)/phantoms --output_dir $(DEMO_DIR)/translated
	$(BIN)/python -m monai.bundle run --config_file $(ADAPTIVE)/configs/inference.json --bundle_root $(ADAPTIVE) \
		--dataset_dir $(DEMO_DIR)/phantoms --targets missing --output_dir $(DEMO_DIR)/filled_in
	$(BIN)/python -m brain_bundles phantom $(DEMO_DIR)/heads --num_subjects 2 --suffixes T1w,FLAIR --whole_head True --seed 1
	$(BIN)/python -m monai.bundle run --config_file $(SEGMENTER)/configs/inference.json --bundle_root $(SEGMENTER) \
		--dataset_dir $(DEMO_DIR)/heads --output_dir $(DEMO_DIR)/segmented
	@echo
	@echo "8 generated brains: $(DEMO_DIR)/generated"
	@echo "  picture:    $(DEMO_DIR)/generated/preview.png"
	@echo "  conditions: $(DEMO_DIR)/generated/participants.tsv"
	@echo "  volumes:    $(DEMO_DIR)/generated/sub-*/anat/*_T1w.nii.gz"
	@echo "4 phantoms, T1w to T2w: $(DEMO_DIR)/translated"
	@echo "  picture:    $(DEMO_DIR)/translated/logs/preview.png"
	@echo "  volumes:    $(DEMO_DIR)/translated/sub-*/anat/*_T2w.nii.gz"
	@echo "2 phantom heads, T1w and FLAIR, segmented: $(DEMO_DIR)/segmented"
	@echo "  picture:    $(DEMO_DIR)/segmented/logs/preview.png"
	@echo "  volumes:    $(DEMO_DIR)/segmented/volumes.tsv"
	@echo "the same 4, what they lack (T2w, FLAIR, T1w with contrast agent, PDw): $(DEMO_DIR)/filled_in"
	@echo "  picture:    $(DEMO_DIR)/filled_in/logs/preview.png"
	@echo "  volumes:    $(DEMO_DIR)/filled_in/sub-*/anat/*.nii.gz, each with a .json that says what it was made from"

docs: install ## the pages as a site, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "the site: build/site/index.html; with its search: $(BIN)/python -m http.server --directory build/site"

lint: install ## formatting, linting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, then the tests without the long ones
	$(PYTEST) -m "not long"

test-all: lint ## lint, then every test, with the share of lines that they run (at least 95 %)
	$(PYTEST) --cov

clean: ## remove .venv and what runs have written here
	rm -rf $(VENV) output build .coverage*
