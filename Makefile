# Needs Node >= 20, npm, make and git; everything else comes with `npm ci`, Node 24 included. `make help` lists the targets.
# Kept to POSIX sh and GNU make 3.81, which is what macOS has.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

NODE := sh scripts/node.sh
BIN := sh scripts/node.sh --bin
SETUP := node_modules/.veza-setup
BUILT := dist/cli/main.js
# Folders are among the sources because taking a file away changes nothing else.
SOURCES := $(shell find src \( -type d -o -name '*.ts' ! -name '*.test.ts' \) 2>/dev/null)
BENCHES := $(patsubst bench/%.bench.ts,%,$(wildcard bench/*.bench.ts))
BENCH_TARGETS := $(BENCHES:%=bench-%)

.DEFAULT_GOAL := help

.PHONY: help demo demo-docker test test-faults check check-types check-lint check-dead check-format format bench build pack setup clean
.PHONY: $(BENCH_TARGETS)

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@for name in $(BENCHES); do printf '  make %-14s %s\n' "bench-$$name" "bench/$$name.bench.ts alone"; done

demo: $(BUILT) ## Ship good and bad releases of a music platform while people use it, and watch; TARGET=docker: in containers
	@$(NODE) dist/demo/main.js $(if $(TARGET),--target $(TARGET)) $(ARGS)

demo-docker: ## The same in containers, on a real Docker Engine behind HAProxy
	@$(MAKE) --no-print-directory demo TARGET=docker

test: $(BUILT) ## Unit, platform, contract and end-to-end tests
	@$(NODE) scripts/run-tests.ts test unit platform contract e2e

test-faults: $(BUILT) ## Kill the control plane at every journal append (long)
	@$(NODE) scripts/run-tests.ts test-faults faults

check: check-types check-lint check-dead check-format ## Types, lint, import directions, dead code, format

check-types: $(SETUP)
	@echo 'types'
	@$(BIN) tsc --noEmit -p tsconfig.json
	@$(BIN) tsc --noEmit -p platform/tsconfig.json

check-lint: $(SETUP)
	@echo 'lint and import directions'
	@$(BIN) oxlint --type-aware --deny-warnings

check-dead: $(SETUP)
	@echo 'dead code'
	@$(BIN) knip
	@$(BIN) knip --directory platform

check-format: $(SETUP)
	@echo 'format'
	@$(BIN) oxfmt --check >node_modules/.veza-format.log 2>&1 || { cat node_modules/.veza-format.log; exit 1; }

format: $(SETUP) ## Bring every file into the house format
	@$(BIN) oxfmt

bench: $(BENCH_TARGETS) ## Every benchmark; figures as JSON in bench/results/

$(BENCH_TARGETS): bench-%: $(BUILT)
	@$(NODE) bench/harness/main.ts $* $(ARGS)

build: $(BUILT) ## Compile src/ to dist/

pack: $(BUILT) ## The npm package as a file: veza-deploy-VERSION.tgz
	@npm pack --loglevel=error --foreground-scripts=false

setup: $(SETUP) ## Install the npm dependencies (the other targets do it by themselves)

clean: ## Remove what was built
	rm -rf dist node_modules/.cache/veza node_modules/.veza-setup demo-report.json veza-deploy-*.tgz

$(SETUP): package-lock.json platform/package-lock.json
	@echo 'npm ci: installing the dependencies'
	@npm ci --loglevel=error --no-audit --no-fund
	@npm ci --prefix platform --ignore-scripts --loglevel=error --no-audit --no-fund
	@touch $@

$(BUILT): $(SETUP) $(SOURCES) scripts/build.mjs tsconfig.json tsconfig.build.json
	@$(NODE) scripts/build.mjs
