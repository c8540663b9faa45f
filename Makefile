# Commands for development. `make` lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
NODE := $(patsubst %,tests/%/node_modules/.package-lock.json,contract/parser api/linters)
PEERS := $(NODE) $(patsubst %,.venv/%/installed,schemathesis localstripe)
# One more test process than cores, and at most four: some of them always wait for a server.
WORKERS = $(shell $(BIN)/python -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
# An environment like production's, because the checks judge a deployment.
PRODUCTION := env -u DEBUG \
	SECRET_KEY=Zk3vJ8qW1xT6yR0pL5mN9bC2hF7dS4gA-uE_oIzXwQvKtYjP7Hn2 \
	JWT_SECRET=pT7rX2mK9wQ4vB6nH1cL8zD3fG5sJ0yA \
	ALLOWED_HOSTS=orders.example.com PUBLIC_URL=https://orders.example.com SECURE_HSTS_INCLUDE_SUBDOMAINS=1 SECURE_HSTS_PRELOAD=1 \
	DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres \
	CELERY_BROKER_URL=amqp://guest:guest@127.0.0.1:5672/tasks \
	EVENTS_BROKER_URL=amqp://guest:guest@127.0.0.1:5672/events

.DEFAULT_GOAL := help
.PHONY: help run test test-newest check bench load faults lock audit sbom digests

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/installed ## Run everything in one process, without any server (ARGS=… for manage.py run)
	@exec env DEBUG=true $(BIN)/python manage.py run $(ARGS)

test: .venv/installed-for-tests $(PEERS) ## Run the tests (ARGS=… for pytest); starts the servers they need
	@tests/services.sh
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-newest: .venv/installed-for-tests ## Run tests/broker (ARGS=… for others) on the newest RabbitMQ and PostgreSQL
	@tests/newest.sh -n $(WORKERS) --dist loadgroup $(or $(ARGS),tests/broker)

check: .venv/installed-for-tests ## Lint, format, types, imports, migrations, deployment
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(PRODUCTION) $(BIN)/mypy .
	@$(PRODUCTION) $(BIN)/lint-imports
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

faults: .venv/installed-for-tests ## Inject faults, and count lost messages (ARGS="--soak 20" for 20 minutes at random)
	@tests/services.sh
	@$(BIN)/python -m pytest tests/broker/faults --faults --quiet $(ARGS)

bench: .venv/installed-for-tests ## Compare the service's speed with bare counterparts (ARGS="-k relay" for some, --loaded on 1,000,000 orders)
	@tests/services.sh
	@$(BIN)/python -m pytest tests/benchmarks/bench_*.py --quiet $(ARGS)

lock: .venv/audit/installed ## Pin the packages of the image with hashes (ARGS="--upgrade" for newer indirect ones)
	@.venv/audit/bin/uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock $(ARGS)

audit: .venv/audit/installed ## Look the packages of the image up in PyPI's list of known holes
	@.venv/audit/bin/python tests/audit.py

digests: .venv/installed ## Pin the images of Dockerfile and compose.yaml by digest (ARGS="--upgrade" for newer ones)
	@$(BIN)/python tests/digests.py $(ARGS)

sbom: .venv/audit/installed ## List the packages of the image in var/sbom.json (CycloneDX)
	@mkdir -p var
	@.venv/audit/bin/cyclonedx-py requirements --output-reproducible --output-file var/sbom.json requirements.lock

load: .venv/installed-for-tests ## Fill a database with 1,000,000 orders, once, for `make bench ARGS=--loaded`
	@tests/services.sh
	@$(BIN)/python -m tests.benchmarks.load

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python requirements.lock
	@echo "Installing requirements …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/installed-for-tests: .venv/installed tests/requirements.txt
	@echo "Installing the tests' requirements …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

$(NODE): %/node_modules/.package-lock.json: %/package-lock.json | .venv/installed-for-tests
	@echo "Installing $* …"
	@$(BIN)/npm ci --loglevel error --prefix $*

# Separate environments, because these need other versions of the service's packages.
.venv/%/installed: tests/%.txt .venv/bin/python
	@echo "Installing $* …"
	@$(BIN)/python -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
