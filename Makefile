# Tabib. The only entry for people and for CI; `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
# `make run PROFILE=release` runs optimised binaries; their first build takes about three times as long.
PROFILE ?= dev
TABIB := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/tabib
# Always the whole workspace: one set of features, so nothing is compiled twice.
LAUNCHER := $(CARGO) build --workspace --locked --profile $(PROFILE) --bin tabib
export RUST_BACKTRACE ?= 1

.PHONY: help tools run demo stop status doctor seed test check bench up down web openapi schema fmt clean-data

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

tools:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it from https://rustup.rs and open a new shell"; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "A C compiler is missing; Rust links with it."; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev; \
	  elif command -v sudo >/dev/null; then sudo apt-get install -y --no-install-recommends gcc libc6-dev; \
	  else echo "Install gcc and libc6-dev, then start again."; exit 1; fi; }

run: tools ## Start everything (PostgreSQL, Redis, RabbitMQ, all services, demo data); Ctrl-C stops it
	@$(LAUNCHER)
	@exec $(TABIB) run

demo: ## Tell the ten-step story on the running platform
	@$(TABIB) demo

stop: ## Stop what `make run` started
	@$(TABIB) stop

status: ## Show what runs
	@$(TABIB) status

doctor: tools ## Say what is wrong with this machine or configuration
	@$(LAUNCHER)
	@$(TABIB) doctor

seed: ## Load the demo data again (nothing is doubled)
	@$(TABIB) seed

test: tools ## All tests on real PostgreSQL, Redis and RabbitMQ, whole stories included
	@./.ci/test

check: tools ## Format, lints, generated files, dependency rules
	@./.ci/check

bench: tools ## Benchmarks against peers and limits
	@./bench/run

web: tools ## Build the web application into web/dist
	@$(LAUNCHER)
	@$(TABIB) web

openapi: tools ## Write docs/openapi/ from the binaries
	@$(CARGO) build --workspace --locked --profile $(PROFILE) --bins
	@$(TABIB) openapi

schema: tools ## Write every src/schema.rs from the migrations
	@$(CARGO) build --workspace --locked --profile $(PROFILE) --bins
	@$(TABIB) schema --write

fmt: ## Format all Rust code
	@$(CARGO) fmt --all

up: ## Run everything in containers (Docker with compose)
	@./deploy/compose/make-env
	docker compose up --build --detach --wait

down: ## Stop the containers; their volumes stay
	docker compose down

clean-data: ## Remove all data of `make run` after asking
	@$(TABIB) clean-data
