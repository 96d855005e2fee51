# The whole project from a clean clone: `make demo`, `make test`.  Needs Python, git and make; no root.
# PYTHON=python3.12 chooses another Python, ARGS="-k name -x" goes to pytest.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# Tests run in so many processes.
JOBS   ?= 2
# What `make bench` measures: local, htcondor, staging, pools, cwl, snakemake.
BENCH  ?= local

# Every command of the project runs with the environment and the programs that `make setup` brought.
WITH := . $(VENV)/env.sh &&

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup programs proot demo test test-kubernetes test-im test-conformance test-snakemake-suite test-snakemake-oldest test-public-workflows test-pythons check format peers bench dist clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed programs proot ## Make .venv with dodas in it, and bring what demo and tests use.

$(VENV)/.installed: pyproject.toml setup.py tools/make_venv.py
	@$(PYTHON) tools/make_venv.py $(VENV)
	@touch $@

programs: $(VENV)/.installed
	@$(VENV)/bin/python tools/programs.py $(VENV)/env.sh

proot: programs ## Build the PRoot that is right, unless it is there.
	@$(WITH) python tools/make_proot.py || echo "The engines that use PRoot are off; the rest works."

demo: setup ## Run a real pipeline from CWL and from Snakemake, and compare the results.
	@$(WITH) python workflows/demo.py

test: setup ## Run all tests; a program that could be had but is missing is a failure.
	@$(WITH) DODAS_TEST_STRICT=1 python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-kubernetes: setup ## Build a Kubernetes control plane, once, and run the tests of pools on it.
	@$(WITH) python tools/kubernetes_build.py
	@$(WITH) DODAS_TEST_STRICT=1 DODAS_TEST_KUBERNETES=1 python -m pytest tests/pool/test_pool_kubernetes.py tests/pool/test_pool_kubernetes_life.py $(ARGS)

test-im: setup ## Run the tests of pools on machines that a real Infrastructure Manager makes; as root.
	@$(WITH) DODAS_TEST_STRICT=1 DODAS_TEST_IM_HOSTS=1 python -m pytest tests/pool/test_pool_im_hosts.py $(ARGS)

test-conformance: setup ## Run the conformance tests of CWL 1.0, 1.1, 1.2; CWL_CONFORMANCE: a directory that has them.
	@$(VENV)/bin/python -m pip install --quiet 'cwltest>=2.7,<3'
	@$(WITH) python tools/conformance.py $(ARGS)

test-snakemake-suite: setup ## Run Snakemake's own tests with the executor dodas, and compare with its local one.
	@$(WITH) python tools/snakemake_suite.py $(ARGS)

test-snakemake-oldest: setup ## Run the tests of the plugins with the oldest Snakemake that dodas says it works with.
	@$(PYTHON) tools/make_venv.py $(VENV)-oldest --group tests
	@$(VENV)-oldest/bin/python -m pip install --quiet \
		"snakemake==$$(sed -n 's/.*"snakemake>=\([0-9.]*\),.*/\1/p' pyproject.toml).*"
	@$(WITH) PATH=$(CURDIR)/$(VENV)-oldest/bin:$$PATH DODAS_TEST_STRICT=1 \
		python -m pytest -n $(JOBS) --dist worksteal tests/snakemake $(ARGS)

test-public-workflows: setup ## Run workflows of others with the executor dodas; PUBLIC_WORKFLOWS: a directory that has them.
	@$(WITH) python tools/public_workflows.py $(ARGS)

test-pythons: programs ## Run the quick tests on each Python from 3.10 to 3.14 found; MAKE_MISSING=1 brings more.
	@$(WITH) python tools/every_python.py $(if $(MAKE_MISSING),--make-missing) $(ARGS)

check: $(VENV)/.installed ## Style and types; changes nothing.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

format: $(VENV)/.installed ## Format the code.
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

peers: setup ## Install what the benchmarks compare with.
	@$(VENV)/bin/python -m pip install --quiet snakemake-executor-plugin-cluster-generic \
		|| echo "The benchmark goes without cluster-generic."
ifneq ($(BENCH),snakemake)
	@# Where there is any storage plugin, its jobs begin with a pip install that it takes for Snakemake's arguments.
	@test -d $(VENV)-peers || $(PYTHON) -m venv $(VENV)-peers
	@$(VENV)-peers/bin/python -m pip install --quiet snakemake htcondor
	@command -v davix-get >/dev/null && command -v rclone >/dev/null \
		|| apt-get install -y --no-install-recommends davix rclone >/dev/null 2>&1 \
		|| echo "The staging benchmark goes without davix and rclone."
	@# It asks for HTCondor 24, and runs with the 25 that is there.
	@$(VENV)-peers/bin/python -m pip install --quiet --no-deps snakemake-executor-plugin-htcondor
	@# Each wants a cwltool of its own.
	@test "$(BENCH)" != cwl || for peer in 'toil[cwl]' streamflow; do \
		home=$(VENV)-peers-$${peer%%[*}; test -d $$home || $(PYTHON) -m venv $$home; \
		$$home/bin/python -m pip install --quiet "$$peer" || echo "The benchmark goes without $$peer."; done
endif

bench: peers ## Compare with peers; the numbers go to benchmarks/.  BENCH=htcondor: on a pool of this host.
	@$(WITH) python -m benchmarks.$(BENCH) $(ARGS)

dist: $(VENV)/.installed ## Make the sdist, and the wheel from it, in dist/.
	$(VENV)/bin/python -m build

clean: ## Remove what was made in the checkout; what is in the user's cache stays.
	rm -rf $(VENV) .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
