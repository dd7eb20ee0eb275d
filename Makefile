# The only list of commands. A bare `make` prints it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

export CLUSTER ?= tributary
export CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tributary
export CONTEXT ?=
export PROVIDER ?= auto
export NAMESPACE ?= tributary
export RELEASE ?= tributary
export KUBEFLOW_NAMESPACE ?= kubeflow
export REGISTRY ?=
export PORT ?=
export PROFILE ?=
export UV_CACHE_DIR := $(CACHE)/uv
export PIP_CACHE_DIR := $(CACHE)/pip
export MYPY_CACHE_DIR := $(CACHE)/mypy
# Tests start many processes. Without bytecode each of them compiles all that it imports, which takes it three times as long.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
ARGS ?=
VALUES ?=

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/READY
CODE := bridge images charts/tests playbooks e2e

##@ Every day
.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {gsub(/[$$][$$]/, "$$", $$2); printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n%s\n' 'Variables: CLUSTER CACHE CONTEXT PROVIDER NAMESPACE RELEASE KUBEFLOW_NAMESPACE REGISTRY PORT PROFILE VALUES DRY_RUN PYTHON (see README.md)'

.PHONY: install
install: $(READY) ## Cluster, Kubeflow Pipelines, platform and demo; CONTEXT=… for a cluster of yours, DRY_RUN=1 to only look
	@$(RUN) -m installer install $(if $(DRY_RUN),--dry-run) $(foreach file,$(VALUES),--values $(file))

.PHONY: test
test: $(READY) ## All that must hold, the cluster tests included; prints the minutes of each part
	@.ci/test

.PHONY: check check-code check-units
check: $(READY) ## All that needs no cluster, server or browser; under a minute once the checkout is warm
	@$(MAKE) --jobs 2 --output-sync=target check-code check-units

check-code: $(READY)
	@$(VENV)/bin/ruff format --check --quiet $(CODE)
	@$(VENV)/bin/ruff check --quiet $(CODE)
	@$(VENV)/bin/mypy $(CODE)
	@$(VENV)/bin/lint-imports | tail -n 3

check-units: $(READY)
	@$(RUN) -m installer programs helm kubectl >/dev/null
	@$(RUN) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m 'not cluster and not server and not slow and not long' $(ARGS)

.PHONY: demo
demo: $(READY) ## Deploy the demo flow and run it once more on Kubeflow Pipelines
	@$(RUN) -m installer demo --again

.PHONY: env
env: $(READY) ## Print the exports that configure a shell: eval "$$(make env)"
	@$(RUN) -m installer env

.PHONY: status
status: $(READY) ## What is there: cluster, Kubeflow Pipelines, platform, addresses
	@$(RUN) -m cluster status

.PHONY: uninstall
uninstall: $(READY) ## Take the platform out of the cluster and keep the cluster; DATA=delete takes the data too
	@$(RUN) -m installer uninstall $(if $(filter delete,$(DATA)),--delete-data)

.PHONY: down
down: $(READY) ## Take the cluster away, with its containers, networks and port-forwards
	@$(RUN) -m cluster down

##@ Parts
.PHONY: cluster
cluster: $(READY) ## Only the cluster
	@$(RUN) -m cluster up

.PHONY: kubeflow
kubeflow: $(READY) ## Only the cluster with Kubeflow Pipelines
	@$(RUN) -m cluster up
	@$(RUN) -m cluster kubeflow

.PHONY: programs
programs: $(READY) ## Only the programs that tests start: helm, kubectl, etcd, kube-apiserver, Chromium, where PATH lacks them
	@$(RUN) -m installer programs

.PHONY: ui
ui: $(READY) ## Build the UI's pages where they changed, and print their folder
	@$(RUN) -m image_builder pages

.PHONY: demo-data
demo-data: $(READY) ## Made-up runs for the UI, into ./demo or MF_METADATA_DB_DSN; ARGS='--runs 100000 --wide 10000'
	@pages=$$($(RUN) -m image_builder pages); $(RUN) -m ui_demo --pages "$$pages" $(ARGS)

.PHONY: screenshots
screenshots: $(READY) ## Take the pictures of the UI that its README shows; ARGS='--all --into FOLDER' for every page
	@pages=$$($(RUN) -m image_builder pages); $(RUN) -m ui_bench.screenshots --pages "$$pages" $(ARGS)

.PHONY: images
images: $(READY) ## Build the images that changed
	@$(RUN) -m image_builder build

.PHONY: push
push: $(READY) ## Push the images; REGISTRY=host/folder
	@$(RUN) -m image_builder push --registry "$(REGISTRY)"

.PHONY: save
save: $(READY) ## Save the images to an archive; FILE=dist/images.tar
	@mkdir -p "$(dir $(or $(FILE),dist/images.tar))"
	@$(RUN) -m image_builder save --output "$(or $(FILE),dist/images.tar)"

.PHONY: wheel
wheel: $(READY) ## Build the wheel of the Metaflow extension into dist/
	@$(VENV)/bin/uv build --quiet --wheel --no-build-isolation --python $(RUN) --out-dir dist .
	@ls dist/*.whl

.PHONY: bench-bridge
bench-bridge: $(READY) ## Seconds and pods of a step and of a nested foreach on the cluster; ARGS='--json FILE'
	@$(RUN) -m bench bridge $(ARGS)

.PHONY: bench-width
bench-width: $(READY) ## A foreach of a thousand on the cluster; ARGS='--width 200'
	@$(RUN) -m bench width $(ARGS)

##@ Develop
.PHONY: format
format: $(READY) ## Format the code
	@$(VENV)/bin/ruff format --quiet $(CODE)
	@$(VENV)/bin/ruff check --quiet --fix $(CODE)

.PHONY: types
types: $(READY) ## Types and syntax for each Python from 3.10 to 3.13
	@printf '%s\n' 3.10 3.11 3.12 3.13 | xargs -P 2 -I VERSION $(MAKE) --output-sync=target types-VERSION

types-%: $(READY)
	@$(VENV)/bin/mypy --python-version $* $(CODE)
	@$(VENV)/bin/ruff check --quiet --select E9,F --target-version py$(subst .,,$*) $(CODE)

.PHONY: coverage
coverage: $(READY) ## What the tests of make check reach, line by line and branch by branch
	@$(RUN) -m coverage run -m pytest -q -m 'not cluster and not server and not slow and not long' $(ARGS)
	@$(RUN) -m coverage report

.PHONY: golden
golden: $(READY) ## Rewrite the golden pipeline specs; look at the diff
	@$(RUN) -m pytest -q bridge/tests/golden --regenerate

.PHONY: lock
lock: $(READY) ## Rewrite requirements.txt from pyproject.toml
	@$(VENV)/bin/uv pip compile --quiet --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' pyproject.toml --output-file requirements.txt

.PHONY: check-ui
check-ui: $(READY) ## Types, lint and unit tests of the UI's pages
	@$(RUN) -m image_builder pages --packages
	@for script in types lint test; do PATH="$$PWD/$(VENV)/bin:$$PATH" npm --prefix images/ui/web run --silent $$script; done

.PHONY: e2e
e2e: $(READY) ## Cluster tests only; ARGS='-k foreach'
	@$(RUN) -m pytest -q -m 'cluster and not long' e2e/tests/cluster $(ARGS)

.PHONY: e2e-all
e2e-all: $(READY) ## Every flow of bridge/tests/flows on the cluster against the laptop, four at a time
	@$(RUN) -m pytest -q -m cluster e2e/tests/cluster/test_flows.py $(ARGS)

.PHONY: test-long
test-long: $(READY) ## The drills that take too long for make test: faults, a reboot, a bare helm install, beside a foreign Kubeflow
	@$(RUN) -m pytest -q -m long --ignore=e2e/tests/cluster/test_flows.py e2e/tests/cluster $(ARGS)
	@$(RUN) -m pytest -q -m long bridge/tests images/tests images/metadata-service/tests images/ui/tests playbooks/tests
	@for major in 13 18; do \
	  TRIBUTARY_POSTGRES=$$major $(RUN) -m pytest -q -m 'server and not slow and not long' -k postgres images/metadata-service/tests; \
	done

.PHONY: bench-metadata
bench-metadata: $(READY) ## How fast the metadata service is, against the bare driver and its own /ping; ARGS='--seconds 2'
	@$(RUN) -m metadata_testbed.bench $(ARGS)

.PHONY: bench-ui
bench-ui: $(READY) ## How fast the UI is with 100,000 runs, in Chromium too; ARGS='--runs 10000 --wide 1000 300 --parts lists'
	@pages=$$($(RUN) -m image_builder pages); $(RUN) -m ui_bench --pages "$$pages" $(ARGS)

$(READY): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) is missing. Install Python 3.11 to 3.13, or say PYTHON=….' >&2; exit 2; }
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV) || { echo 'python3 cannot make a virtual environment. Install python3-venv.' >&2; exit 2; }
	@test -x $(VENV)/bin/uv || $(RUN) -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)/bin/uv pip sync --quiet --python $(RUN) requirements.txt
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --no-build-isolation --editable .
	@touch $@
