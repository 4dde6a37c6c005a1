# `make` prints the targets. Go and a C compiler are all it needs.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
FUZZ        ?= .
SOAK        ?= 2000
KILLS       ?= 150
PLUGINS     ?= 300
REPEATS     ?= 10
WAITFOR     ?= 10m
ENTRIES     ?= 1000000
RACE        ?= ./...
SIZE        ?= 0
PAIRS       ?= 200
ROUNDS      ?= 7
TOOLCHAINS  ?= go1.26 go1.27
REAL        ?= .
MUTANTS     ?= 100000
DOWN        ?= 60s
LASTS       ?= 60s
ARCHITECTURES ?= amd64 arm64
PKGS        ?= . ./internal/blame ./internal/checkpoint ./internal/instance ./internal/ledger ./internal/pidfd ./internal/routes

# With -trimpath the tests share the compiled standard library with the programs that they build. With -short they do once
# what soak, kills, load and long do again and again. Only a hang reaches the timeout. make lint runs go vet, so tests needn't.
TESTFLAGS    = -trimpath -short -timeout 30m
INTEGRATION  = $(GO) test -trimpath -count=1 -timeout 90m ./integration
SOURCES      = $(shell git ls-files --cached --others --exclude-standard '*.go' 2>/dev/null)

.PHONY: help run build plugins man install package job test corpus pairs test-toolchains test-arm64 test-existing test-console test-influx test-telegraf test-clients test-proxies test-package race scale soak kills mutants load long waits fuzz mutate lint bench compare points clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: plugins ## build everything and serve build/plugins on 127.0.0.1:8181
	build/sohost run --config plugins/sohost.toml

build: ## build build/sohost
	@GO=$(GO) scripts/build-host.sh

plugins: ## build sohost, and the plugins under plugins/ into build/plugins
	@GO=$(GO) scripts/build-plugins.sh

man: build ## write the man pages to build/man
	@rm -rf build/man
	build/sohost man build/man

install: man ## install sohost, its units, completions and man pages below PREFIX (/usr/local), with DESTDIR before it
	@rm -rf build/install && mkdir -p build/install/completions
	@cp -r build/sohost build/man packaging/systemd packaging/sohost.toml packaging/install.sh build/install
	@for shell in bash zsh fish; do build/sohost completion $$shell >build/install/completions/sohost.$$shell; done
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) build/install/install.sh

package: ## make what a release consists of, in build/package: tarballs, .debs and bills of materials of ARCHITECTURES, checksums
	GO=$(GO) ARCHITECTURES="$(ARCHITECTURES)" packaging/package.sh

job: build ## sum points as Telegraf sends them, while the plugin that does so is reloaded and handed over; compare the sums
	$(GO) run -trimpath ./scripts/job

test: ## run every test that needs nothing but Go and a C compiler; prints what took longest
	GO=$(GO) $(GO) run -trimpath scripts/testtimes.go -vet=off $(TESTFLAGS) ./...

corpus: ## build, serve and reload plugins around seventeen well-known libraries, those that match REAL; prints a table; fetches them
	$(INTEGRATION) -run 'TestReal$$/$(REAL)' -v

pairs: ## open images of random plugins on random hosts, in PAIRS (200), full, slim, and slim for another host; each package on a thin host
	$(GO) test -trimpath -count=1 -timeout 90m -run "TestPairs|TestThinHost" -v ./internal/build -args -thin-all -pairs $(PAIRS)

test-toolchains: ## test what depends on the Go release, with the newest of each of TOOLCHAINS (go1.26 go1.27); fetches them
	scripts/test-toolchains.sh $(TOOLCHAINS)

test-arm64: ## load, reload, hand over and crash on arm64, under qemu-user; TESTS are some of these tests
	scripts/test-arm64.sh $(if $(TESTS),'$(TESTS)')

test-existing: ## serve and reload plugins for KrakenD, Traefik and Tyk under load, from their own sources; fetches them
	$(INTEGRATION) -run TestExisting -v -args -existing

test-console: build ## use the console in Chromium, with real servers under load; pictures in build/console; fetches axe-core
	@mkdir -p build/axe
	test -f build/axe/package/axe.min.js || (cd build/axe && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-4.14.1.tgz)
	$(GO) -C integration/testdata/console test -count=1 -timeout 10m . $(if $(PICTURES),-args -pictures $(abspath $(PICTURES)))

test-influx: ## query a real InfluxDB and a VictoriaMetrics; store emitted rows in them, stopped for DOWN (60s) meanwhile; fetches them
	DOWN=$(DOWN) scripts/test-influx.sh

test-telegraf: build ## make job through a real Telegraf for LASTS (60s), with 20 reloads, 5 handovers, 3 killed workers; fetches it
	$(GO) run -trimpath ./scripts/job -telegraf "$$(GO=$(GO) scripts/build-telegraf.sh)" -lasts $(LASTS) -reloads 20 -handovers 5 -kills 3

test-clients: build ## make job with InfluxData's clients for Go for LASTS (60s); fetches them
	$(GO) -C integration/testdata/clients build -trimpath -o $(CURDIR)/build/clients .
	$(GO) run -trimpath ./scripts/job -clients build/clients -lasts $(LASTS) -reloads 20 -handovers 5 -kills 3

test-proxies: ## requests, streams and websockets behind nginx and haproxy, which last LASTS (60s), over 5 handovers; installs them
	LASTS=$(LASTS) GO=$(GO) scripts/test-proxies.sh

test-package: package ## check the packages, install, upgrade under load, remove and purge one; as root on Debian, in a namespace
	unshare --mount --pid --fork --mount-proc --kill-child $(GO) test -trimpath -count=1 -timeout 30m ./packaging -v -args -packages

race: ## run the tests of RACE (./...) under the race detector, servers and plugins too
	$(GO) test -race $(TESTFLAGS) -vet=off $(RACE)

scale: ## boot, change and hand over PLUGINS (300) plugins in one server
	$(INTEGRATION) -run TestScale -v -args -plugins $(PLUGINS)

soak: ## reload SOAK (2,000) times under load, from worker to worker; takes some minutes and 1 GB of disk
	$(INTEGRATION) -run TestSoak -v -args -pause 2ms -soak $(SOAK)

kills: ## kill -9 old worker, new worker and supervisor KILLS (150) times in handovers; stop and end them in each phase
	$(INTEGRATION) -run 'TestKill|InHandover|TestHandoversLeaveNothing' -v -args -pause 2ms -kills $(KILLS) -repeats $(REPEATS)

mutants: build ## damage a full and a slim image in MUTANTS (100,000) ways, and open what the check takes; takes half an hour
	$(GO) test -trimpath -count=1 -timeout 90m -run Mutants -v ./native -mutants $(MUTANTS)
	build/sohost build -o build/mutant.so ./plugins/hello
	$(GO) test -trimpath -count=1 -timeout 90m -run 'TestMutants$$' -v ./native -mutants $(MUTANTS) -mutant-image $(CURDIR)/build/mutant.so

load: ## reload and hand over under load REPEATS (10) times as often as make test does
	$(INTEGRATION) -run 'UnderLoad|BackAndForth|TestPlainImages|TestOrders|TestVanishing|TestHandoverState|TestHost/hammer' -v -args -pause 2ms -repeats $(REPEATS)

waits: ## measure how long callers wait beside checkpoints of ENTRIES (1,000,000), SIZE (0) bytes more each, for WAITFOR (10m), and for a rollback
	$(INTEGRATION) -run 'TestCheckpointWaits|TestRollbackWaits' -v -args -wait-for $(WAITFOR) -wait-entries $(ENTRIES) -wait-size $(SIZE)

long: ## run what make test shortens or skips, and no other target runs
	$(GO) test -trimpath -timeout 30m -run 'TestDemo|TestScripts/(demo|quickstart)' ./cmd/sohost
	$(GO) test -trimpath -timeout 30m ./abi/keep ./generations ./internal/build ./internal/state ./scripts/keep
	$(GO) test -trimpath -timeout 30m -run 'TestKeep|TestContracts' ./native
	$(GO) test -trimpath -timeout 30m -run 'TestSweep|TestModel|Faults' . ./internal/server/supervisor
	$(INTEGRATION) -run 'TestContractChanged|TestContractState|TestThinProgram|TestIdle|TestExample'
	$(GO) test -trimpath -short -count=1 -timeout 30m ./integration -args -full

fuzz: ## fuzz each parser, or those that match FUZZ, for FUZZTIME (30s)
	@scripts/fuzz.sh $(FUZZTIME) $(FUZZ)

mutate: ## change PKGS (the root and what left it) in small ways, and print the changes that no test notices; takes long
	$(GO) run ./scripts/mutate $(PKGS)

lint: ## gofmt, go vet, staticcheck, and whether the picture in ARCHITECTURE.md is current
	@test -z "$$(gofmt -l $(SOURCES))" || { gofmt -d $(SOURCES); exit 1; }
	$(GO) vet -trimpath ./...
	GOFLAGS=-trimpath $(GO) run $(STATICCHECK) ./...
	$(GO) -C bench vet -trimpath ./...
	$(GO) -C integration/testdata/console vet ./...
	cd bench && GOFLAGS=-trimpath $(GO) run $(STATICCHECK) ./...
	$(GO) run ./scripts/imports -check ARCHITECTURE.md

bench: build ## run the benchmarks behind the figures in the README and in docs/performance.md, make compare with them
	$(GO) test -trimpath -run '^$$' -bench . -benchtime 100ms -benchmem ./abi/keep ./generations ./internal/state .
	$(GO) test -trimpath -run '^$$' -bench '(Reload|Million|HandoverTen|Handover|ReloadRatio)$$' -benchtime 7x ./integration -args -pause 2ms
	$(GO) -C bench run -trimpath . -rounds $(ROUNDS) -publish

compare: build ## compare sohost with other ways to replace code, on the same work, in ROUNDS (7) rounds; fetches them
	$(GO) -C bench test -trimpath -vet=off ./...
	$(GO) -C bench run -trimpath . -rounds $(ROUNDS)

points: build ## compare points per second through a plugin with Telegraf's processors, in ROUNDS (7) rounds; fetches and builds Telegraf
	$(GO) -C bench run -trimpath ./points -rounds $(ROUNDS) -telegraf "$$(GO=$(GO) scripts/build-telegraf.sh)"

clean: ## remove what was built
	rm -rf build
