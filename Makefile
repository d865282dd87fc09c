# Every target sets up what it needs in .venv and reuses it; nothing is installed outside of it.
#   make PYTHON=python3.13 run      picks another Python for a new .venv
#   make ARGS="-k drain -x" test    hands arguments to the program behind a target
#   REDIS_SERVER=/usr/bin/redis-server make test      tests against that server, not the embedded one

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the benchmarks compare with wants other versions of the same packages.
PEERS := .venv-bench
# arq's own tests want plugins that ours must not have.
STOCK := .venv-arq
PIP_OPTIONS := --quiet --quiet --disable-pip-version-check
PIP := $(BIN)/python -m pip $(PIP_OPTIONS)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test quick redis-versions arq-tests check soak chaos fuzz canaries format bench lock clean openapi pictures

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Answer calls here: web, workers and an embedded Redis in one terminal
	@$(BIN)/voiceagent dev $(ARGS)

# A module runs in one process. Tests that start processes wait for them more than they compute.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

test: $(READY) ## Run all tests; they start the servers they need
	@$(PYTEST) --numprocesses 5 $(ARGS)

quick: $(READY) ## Run the tests that start no process but one Redis server, and do not compute for long
	@$(PYTEST) --numprocesses 5 -m "not processes and not slow" $(ARGS)

redis-versions: $(READY) ## Run the tests of Redis on 6.2, 7.0 and 8, as far as packages bring them
	@PYTHONPATH=tests $(BIN)/python -m versions $(ARGS)

arq-tests: $(STOCK)/.ready ## Run arq's own tests with our worker in the place of arq's
	@$(STOCK)/bin/python tests/arq/stock_suite.py $(STOCK)/arq-0.28.* $(ARGS)

check: $(READY) ## Lint, formatting and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "Run 'make format'."; exit 1; }
	@$(BIN)/mypy

SEED ?= 1
DURATION ?= 120
CALLS ?= 100
TOPOLOGY ?= standalone
soak: $(READY) ## Random faults under load, then an audit: SEED= DURATION= (seconds) CALLS= TOPOLOGY=
	@PYTHONPATH=tests $(BIN)/python -m soak --seed $(SEED) --seconds $(DURATION) --calls $(CALLS) \
		--topology $(TOPOLOGY) $(ARGS)

chaos: $(READY) ## Break a deployment of its own while callers call, and say what they noticed: ARGS="--seed 7"
	@$(BIN)/voiceagent chaos --start $(ARGS)

fuzz: $(READY) ## Try wrong input on all that reads the network and Redis: ARGS="--minutes 30 --seed 7"
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

format: $(READY) ## Put the code into its format
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

canaries: $(READY) ## Plant secrets in a run with everything on, under faults, and look for them everywhere
	@PYTHONPATH=tests $(BIN)/python -m canaries $(ARGS)

openapi: $(READY) ## Renew docs/openapi.json, the description of the API
	@$(BIN)/python -m web.api.openapi > docs/openapi.json

pictures: $(READY) ## Make the pictures of the dashboard in docs/pictures from a real run: ARGS="--minutes 5"
	@PYTHONPATH=tests $(BIN)/python tools/pictures.py $(ARGS)

bench: $(READY) $(PEERS)/.ready ## Measure the budgets, beside other queues
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(READY) ## Renew requirements*.txt from pyproject.toml (the only target that wants uv)
	@$(PIP) install uv
	@$(LOCK) pyproject.toml --output-file requirements.txt
	@$(LOCK) pyproject.toml --constraint requirements.txt --extra llm --extra mcp --output-file requirements-llm.txt
	@$(LOCK) pyproject.toml --constraint requirements.txt --extra llm --extra mcp --group dev --output-file requirements-dev.txt
	@$(LOCK) --group bench --output-file requirements-bench.txt
	@git --no-pager diff --stat -- 'requirements*.txt'

clean: ## Remove the virtual environments and every cache
	@rm -rf $(VENV) $(PEERS) $(STOCK) .venv*.lock build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .voiceagent
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One at a time, and nothing half-made is used: two `make run` in a fresh clone wait for each other.
$(READY): requirements-dev.txt pyproject.toml
	@test -x $(BIN)/python || { $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "VoiceAgent needs Python 3.11 or newer, and '$(PYTHON)' is none." \
			"Name one that is: make PYTHON=python3.13 …" >&2; exit 1; }; }
	@python=$(BIN)/python; test -x $$python || python="$(PYTHON)"; \
		$$python tools/environment.py $(VENV) --requirement requirements-dev.txt --project

$(PEERS)/.ready: requirements-bench.txt | $(READY)
	@$(BIN)/python tools/environment.py $(PEERS) --requirement requirements-bench.txt

$(STOCK)/.ready: requirements.txt tests/arq/requirements.txt | $(READY)
	@test -x $(STOCK)/bin/pip || $(BIN)/python -m venv $(STOCK)
	@$(STOCK)/bin/python -m pip $(PIP_OPTIONS) install --requirement requirements.txt
	@$(STOCK)/bin/python -m pip $(PIP_OPTIONS) install --requirement tests/arq/requirements.txt
	@$(STOCK)/bin/python -m pip $(PIP_OPTIONS) download --no-deps --no-binary arq --dest $(STOCK) 'arq==0.28.*'
	@tar -xzf $(STOCK)/arq-0.28.*.tar.gz -C $(STOCK) && rm $(STOCK)/arq-0.28.*.tar.gz
	@touch $@
