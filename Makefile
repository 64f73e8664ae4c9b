# Q-RAG. Every target sets up the environment by itself; that happens once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test lab dashboard bench bench-models lint i18n lock clean

IN := .venv/bin/python
NEWER := import sys; sys.exit(sys.version_info < (3, 11))
FOUND = $(shell for p in python3.11 python3 python; do "$$p" -c '$(NEWER)' 2>/dev/null && echo "$$p" && break; done)

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1: /p' Makefile | while IFS=: read -r name what; do printf '  make %-13s%s\n' "$$name" "$$what"; done

run: .venv/.ready ## build a workspace from the samples and ask it four questions
	@$(IN) -m qrag_lib demo

test: .venv/.ready ## unit tests, doctests, the code of README and docs, every notebook; no network
	$(IN) -m pytest -q

lab: .venv/.ready ## open the notebooks in JupyterLab
	$(IN) -m jupyter lab notebooks

dashboard: .venv/.ready ## publish the dashboard on this machine; QRAG_WORKSPACE names its workspace
	cd dashboards && QRAG_WORKSPACE="$${QRAG_WORKSPACE:-$(CURDIR)/workspace}" ../$(IN) -m voila qrag$(if $(filter pt%,$(QRAG_LANG)),.pt-BR).ipynb

bench: .venv/.ready ## measure ingest, query and memory, beside LlamaIndex's own pipeline
	$(IN) -m benchmarks

bench-models: .venv/.ready ## measure a 7B model in 512 MiB to all of the memory, beside accelerate; hours, 40 GB of disk
	$(IN) -m benchmarks.bench_models

lint: .venv/.ready ## ruff (rules and format) and mypy --strict
	$(IN) -m ruff check .
	$(IN) -m ruff format --check .
	$(IN) -m mypy

i18n: .venv/.ready ## collect the interface texts, compile the catalogues, translate the notebooks, print the help into docs
	$(IN) -m qrag_lib.i18n.extract
	$(IN) -m qrag_lib.i18n.notebooks
	$(IN) .ci/printed

lock: .venv/.ready ## write requirements.lock from what is installed
	$(IN) .ci/lock > requirements.lock.new && mv requirements.lock.new requirements.lock

clean: ## remove what was built; the environment and your workspaces stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find local_models qrag_lib tests experiments notebooks -name __pycache__ -prune -exec rm -rf {} +

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(FOUND)" || { echo "Python 3.11 or newer is needed, and none was found." >&2; \
	  echo "→ install python3.11 (with its venv package), then run make again" >&2; exit 1; }
	@test -x .venv/bin/python || $(FOUND) -m venv .venv
	@echo "Setting up .venv: once, a few minutes"
	@$(IN) -m pip install -q -r requirements.lock
	@$(IN) -m pip install -q --no-deps --no-build-isolation -e .
	@$(IN) -m jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements >/dev/null
	@touch $@
