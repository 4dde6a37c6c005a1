# `make` prints the targets. Go and a C compiler are all it needs.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
SOURCES      = $(shell git ls-files --cached --others --exclude-standard '*.go' 2>/dev/null)

.PHONY: help run build plugins test test-arm64 race soak kills fuzz lint bench clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build plugins ## build everything and serve build/plugins on 127.0.0.1:8181
	build/sohost run

build: ## build build/sohost
	@mkdir -p build
	$(GO) build -trimpath -o build/sohost ./cmd/sohost

plugins: build ## build the plugins under plugins/ into build/plugins
	@scripts/build-plugins.sh

test: ## run every test that needs nothing but Go and a C compiler
	$(GO) test -timeout 10m ./...

test-arm64: ## load, reload, hand over and crash on arm64, under qemu-user
	scripts/test-arm64.sh

race: ## run the tests under the race detector, servers and plugins too
	$(GO) test -race -timeout 30m ./...

soak: ## reload 2,000 times under load, from worker to worker; takes some minutes and 1 GB of disk
	$(GO) test ./integration -run TestSoak -count=1 -timeout 60m -v -args -soak 2000

kills: ## kill -9 giver, taker and supervisor 150 times at random moments of handovers; takes two minutes
	$(GO) test ./integration -run 'TestKillHandover|InHandover|TestHandoversLeaveNothing' -count=1 -timeout 20m -v -args -kills 150

fuzz: ## fuzz each parser for FUZZTIME (30s)
	@scripts/fuzz.sh $(FUZZTIME)

lint: ## gofmt, go vet and staticcheck
	@test -z "$$(gofmt -l $(SOURCES))" || { gofmt -d $(SOURCES); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: ## run the benchmarks behind the figures in the README
	$(GO) test -run '^$$' -bench . -benchmem ./generations ./internal/state
	$(GO) test -run '^$$' -bench . -benchtime 20x ./integration

clean: ## remove what was built
	rm -rf build
