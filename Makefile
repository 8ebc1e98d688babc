# `make help` lists what there is. Everything runs in .venv, which is made from requirements.lock when it is missing
# or older than it.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?=
PROFILE ?= laptop
ARGS ?=
EXECUTOR ?=
ARCHIVE ?=
SEED ?= 0

VENV := $(CURDIR)/.venv
READY := .venv/.ready
CANDIDATES = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)
export PATH := $(VENV)/bin:$(PATH)
export PYTHONNOUSERSITE := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

# A lock of ours in place of Snakemake's, which outlives a kill and then blocks every run.
SNAKEMAKE = python workflow/alone.py snakemake --nolock --snakefile workflow/Snakefile --scheduler greedy \
  --rerun-triggers mtime --rerun-incomplete
HERE = --cores all --resources mem_mb=$$(python -c "import psutil; print(psutil.virtual_memory().total >> 20)")
ELSEWHERE = --workflow-profile workflow/executors/$(EXECUTOR) $(ARGS)
PROSE = *.md book/*.md book/claims.yml $(NOTEBOOKS)
NOTEBOOKS = notebooks/*.ipynb book/*.ipynb benchmarks/*/*.ipynb
PUBLISHED = $(SNAKEMAKE) $(HERE) --config profile=$(PROFILE) published=true

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PROFILE=smoke|laptop|paper chooses the profile (laptop), PYTHON=... the Python that makes .venv,"
	@echo "  ARGS=... is handed to what a target runs, such as pytest. \`make plan\` says what a profile costs."
	@echo "  EXECUTOR=slurm lets a cluster do the work of \`make reproduce\`, and ARGS=... is then handed to Snakemake."
	@echo "  ARCHIVE=... names the archive to certify, SEED=... draws the sample of it that is computed again (0)."

.PHONY: env
env: $(READY) ## Make .venv, with all that the other targets need, as requirements.lock says

$(READY): requirements.lock pyproject.toml
	@if ! .venv/bin/python -c "import pip" 2>/dev/null; then \
	  fits='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; found=; \
	  for python in $(CANDIDATES); do \
	    if "$$python" -c "$$fits" 2>/dev/null; then found=$$python; break; fi; done; \
	  if [ -z "$$found" ]; then \
	    echo "Python 3.11, 3.12 or 3.13 with its venv module is needed, and none of these is that: $(CANDIDATES). Install it (on Debian: python3 and python3-venv) or name it, as in: make env PYTHON=/path/to/python3.13" >&2; exit 1; fi; \
	  echo "Making .venv with $$("$$found" --version) and installing requirements.lock (3.5 GB of disk, some minutes)"; \
	  "$$found" -m venv --clear .venv; fi
	@python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: book
book: env ## Execute the notebooks from the committed results and build the book; no data, no training
	$(PUBLISHED) --forcerun execute -- book
	@echo "The book is built: open file://$(CURDIR)/build/_build/html/index.html"

.PHONY: links
links: book ## Look up the external links of the book, but for the exceptions in _config.yml (needs a connection)
	jupyter-book build build/book --builder linkcheck --all --keep-going --path-output build/links

.PHONY: pdf
pdf: book ## Print the whole book as build/pdf/repsim-revisited.pdf (needs Chromium)
	python workflow/pdf.py build/book build/pdf

.PHONY: notebooks
notebooks: env ## Execute the notebooks from the committed results, into build/notebooks/PROFILE
	$(PUBLISHED) --forcerun execute -- notebooks

.PHONY: test
test: env ## Run all tests but those of test-slow, test-bare, test-hub, test-slurm and faults
	pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(ARGS)

.PHONY: test-slow
test-slow: env ## Run the tests that compute committed results again, or work at the sizes of real layers
	pytest --numprocesses logical --maxprocesses 2 --dist loadfile \
	  -m "slow and not bare and not hub and not faults and not slurm" $(ARGS)

.PHONY: slurm
slurm: ## Install SLURM where it is missing, on Debian, as root; test-slurm and bench-cluster need it
	@for program in munged slurmctld slurmd sbatch; do command -v $$program >/dev/null || missing=1; done; \
	  if [ -n "$${missing:-}" ]; then \
	    if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
	      echo "SLURM is needed; on Debian, as root: apt-get install munge slurmctld slurmd slurm-client" >&2; exit 1; fi; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends munge slurmctld slurmd slurm-client; fi

.PHONY: test-slurm
test-slurm: env slurm ## Run the workflow on a SLURM cluster of virtual nodes and lose one
	pytest -m slurm $(ARGS)

.PHONY: test-bare
test-bare: env ## Run a notebook from an empty folder, as in Colab, in an environment of its own (2.6 GB, minutes)
	pytest -m bare $(ARGS)

.PHONY: hub
hub: env ## Make build/hub, an environment of .venv's packages and torchvision, timm and transformers (0.3 GB beside PyTorch)
	python -m venv build/hub
	python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(echo build/hub/lib/python*/site-packages)/beside.pth"
	build/hub/bin/python -m pip install --quiet --disable-pip-version-check -r tests/models/hub.txt

.PHONY: test-hub
test-hub: hub ## Run networks of torchvision, timm and transformers, and the pages that use them
	pytest -m hub $(ARGS)

.PHONY: faults
faults: env ## Kill, fill disks and damage files, at moments and places drawn by SEED; counts go to results/faults
	FAULTS_SEED="$(SEED)" FAULTS_OUT="$(CURDIR)/results/faults/seed-$(SEED).json" pytest -m faults tests/faults $(ARGS)

# Made in reproduction/, apart from the committed results: nothing there is reused, and a killed run goes on where it was.
plan reproduce: export REPSIM_DATA := $(or $(REPSIM_DATA),$(or $(REPSIM_CACHE),$(HOME)/.cache/repsim-revisited)/data)
plan reproduce: export REPSIM_CACHE := $(CURDIR)/reproduction/cache
plan reproduce: export REPSIM_RESULTS := $(CURDIR)/reproduction/results

.PHONY: plan
plan: env ## Say what `make reproduce` costs: networks, minutes, memory, disk, and what of it is done
	@repsim-lab plan $(PROFILE)

.PHONY: reproduce
reproduce: env ## Train PROFILE's networks from scratch, measure everything and build the book from it; says the cost first
	@if [ -n "$(EXECUTOR)" ] && [ ! -e "workflow/executors/$(EXECUTOR)/config.yaml" ]; then \
	  echo "There is no executor $(EXECUTOR); known are: $$(cd workflow/executors && echo *)" >&2; exit 1; fi
	@repsim-lab plan $(PROFILE)
	$(SNAKEMAKE) $(if $(EXECUTOR),$(ELSEWHERE),$(HERE)) --config profile=$(PROFILE) $(if $(EXECUTOR),cluster=true) \
	  --forcerun execute -- book
	@echo "The book of the $(PROFILE) profile, from results in reproduction/results: open file://$(CURDIR)/build/_build/html/index.html"

# Executes what is missing, or older than the code or the results, and no more: a second run gives the same bytes.
.PHONY: archive
archive: env ## Write sources, results, executed notebooks, figures and verdicts into one research object, in build/archive
	$(PUBLISHED) -- judge
	@repsim-lab archive $(PROFILE)

.PHONY: certify
certify: env ## Check ARCHIVE's hashes, compute a sample of it drawn by SEED again, and write a certificate
	@if [ -z "$(ARCHIVE)" ]; then echo "Name the archive, as in: make certify ARCHIVE=build/archive/NAME.zip SEED=7" >&2; exit 1; fi
	@repsim-lab certify "$(ARCHIVE)" --seed "$(SEED)" $(ARGS)

.PHONY: bench
bench: env ## Time every index on small tables; ARGS=--benchmark-save=NAME keeps it, ARGS=--benchmark-compare shows a change
	pytest benchmarks/speed --benchmark-storage=build/speed --benchmark-columns=min,median,rounds $(ARGS)

.PHONY: bench-peers
bench-peers: env ## Run the other libraries on the same activations, each in an environment of its own (build/peers, 4 GB)
	python -m benchmarks.peers $(ARGS)

.PHONY: bench-train
bench-train: env ## Compare the images per second of training with PyTorch's, in an environment of its own (build/peers)
	python -m benchmarks.training $(ARGS)

.PHONY: bench-engine
bench-engine: env ## Measure time, memory and accuracy of the engine (32 GB in build/engine, hours; goes on after a kill)
	python -m benchmarks.engine $(ARGS)

.PHONY: bench-cluster
bench-cluster: env slurm ## Measure what SLURM adds to a job, and the speed-up of 1, 2 and 4 virtual nodes
	python -m benchmarks.cluster $(ARGS)

.PHONY: lint
lint: env ## Check style and spelling, that notebooks carry no outputs, and what GitHub reads
	ruff check .
	ruff format --check .
	nbstripout --verify $(NOTEBOOKS)
	codespell repsim workflow
	codespell --dictionary - --dictionary workflow/british.txt $(PROSE)
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	zizmor --offline --quiet .github

.PHONY: format
format: env ## Bring style in order and strip notebooks
	ruff check --fix .
	ruff format .
	nbstripout $(NOTEBOOKS)

.PHONY: typecheck
typecheck: env ## Check types
	mypy

.PHONY: lock
lock: ## Pin pyproject.toml's dependencies again (ARGS=--upgrade: to the newest), for every system and Python
	UV_NO_CONFIG=1 uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock $(ARGS)
	python workflow/environment.py

.PHONY: set-repository
set-repository: ## Write the repository's address everywhere: URL=https://github.com/NAME/REPOSITORY
	python workflow/set_repository.py "$(URL)"

.PHONY: clean
clean: ## Remove what was built and the caches of tools; keeps .venv, reproduction/ and downloads
	rm -rf build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find repsim tests workflow -name __pycache__ -type d -prune -exec rm -rf {} +
