# SPDX-License-Identifier: Apache-2.0
# Every target first brings the machine to where it can be run: see scripts/setup.

.PHONY: help setup demo test lint unit lab-tests clean

help:
	@echo "make demo       a NIC of an emulated board goes to a KVM guest, and comes back"
	@echo "make test       lint, unit and lab-tests"
	@echo "make lint       format, style and types"
	@echo "make unit       the tests that need no kernel"
	@echo "make lab-tests  the tests on emulated boards"
	@echo "make clean      remove what was made in this checkout (the boards: .venv/bin/midway lab clean)"

setup:
	@scripts/setup

demo: setup
	.venv/bin/midway lab demo

test: setup
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory lab-tests

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

unit: setup
	.venv/bin/pytest tests/unit tests/boards

lab-tests: setup
	.venv/bin/pytest -v tests/lab

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
