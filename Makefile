# make demo   a whole phone call, without hardware     make test   format, lint, types, tests
# make bench  figures beside their targets             make proof  the long runs
# sudo make install   the services of docs/install.md  sudo make uninstall  without their data
# make demo-vps   a call that a stand-in for a VPS holds, an outage of it, and the way back
BRAIN ?= python
PY := .venv/bin/python
PYTEST ?= $(PY) -m pytest

.PHONY: help setup demo demo-vps test bench proof check format spec clean install uninstall
help:
	@head -4 Makefile

setup:
	@tools/setup run

demo: setup
	@.venv/bin/dialtone demo --brain $(BRAIN) --out out/demo

demo-vps:
	@tools/setup dev
	@$(PY) -m tests.vps.demo --out out/demo-vps

test:
	@tools/setup dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(PY) -m core.rpc.spec --check
	$(PYTEST) -m "not proof" -n 6 --dist worksteal # they wait for modems and clocks more than they compute

# Other people's daemons are measured, and killed, beside ours where they can be installed.
proof:
	@tools/setup dev
	@tools/peers || true
	$(PY) -m pytest -m proof --timeout 1800

bench:
	@tools/setup dev
	$(PY) -m bench --json out/bench.json

format:
	@tools/setup dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

spec:
	@tools/setup dev
	$(PY) -m core.rpc.spec --write

# DESTDIR=folder, WHEELS=folder and PACKAGES=none: see tools/install
install:
	@tools/install install

uninstall:
	@tools/install uninstall

clean:
	rm -rf .venv out .mypy_cache .ruff_cache .pytest_cache .hypothesis
