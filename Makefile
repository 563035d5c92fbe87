# SPDX-License-Identifier: Apache-2.0
# Every target first brings the machine to where it can be run: see scripts/setup.

.PHONY: help setup demo test lint unit lab-tests corpus-tests clean

help:
	@echo "make demo          a NIC of an emulated board goes to a KVM guest, and comes back"
	@echo "make test          lint, unit, lab-tests and corpus-tests"
	@echo "make lint          format, style and types"
	@echo "make unit          the tests that need no kernel"
	@echo "make lab-tests     the tests on emulated boards"
	@echo "make corpus-tests  plans for every device of every board that Debian's kernel has a tree of"
	@echo "make clean         remove what was made in this checkout (the boards: .venv/bin/midway lab clean)"

setup:
	@scripts/setup

demo: setup
	.venv/bin/midway lab demo

test: setup
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory lab-tests
	$(MAKE) --no-print-directory corpus-tests

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

unit: setup
	.venv/bin/pytest tests/unit tests/boards/test_emulated_boards.py

lab-tests: setup
	.venv/bin/pytest -v --durations=20 -n 2 --dist loadgroup tests/lab

# The trees come with the boards' root, which lab-tests make.
corpus-tests: setup
	.venv/bin/pytest -v tests/boards/test_debian_boards.py tests/boards/test_views.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
