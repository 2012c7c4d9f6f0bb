# Everything a person types. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
GO ?= go
BIN := bin/syncd
VERSION ?= $(shell cat VERSION 2>/dev/null || git describe --tags --always --dirty 2>/dev/null || echo dev)
EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
LDFLAGS := -s -w -X main.version=$(VERSION)
RELEASE := $(GO) run ./internal/release
OF_COMMIT = -version $(VERSION) -epoch $(EPOCH)
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'

.PHONY: help demo test check bench crash prove-redcap prove-engage prove-redox prove-restore prove-slots prove-outage prove-release release image build setup clean docs prove-daemons

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## compile bin/syncd
	@$(GOBUILD) -o $(BIN) ./cmd/syncd

setup: ## find PostgreSQL, or install the distribution's package, or say what to type
	@sh scripts/setup.sh

demo: setup build ## the nightly job on a private Postgres and a fake REDCap, again after a few changes, then a campus of a fake Engage and pushes of a fake Redox
	@$(BIN) demo

test: setup ## all tests
	@$(GO) test -timeout 30m ./...

check: setup ## what must be clean before a commit: format, vet, staticcheck, tests with the race detector
	@out=$$($(GO) tool gofumpt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted (go tool gofumpt -w):"; echo "$$out"; exit 1; }
	@$(GO) vet ./... && $(GO) vet -tags faultinject ./...
	@$(GO) tool staticcheck ./...
	@$(GO) test -race -timeout 60m ./...

bench: setup ## figures as ratios against COPY in the same run (about half an hour, a third of it spent on a daemon that does nothing)
	@$(GO) run ./internal/bench

crash: setup ## kill the process at every write of a run and look at what is left
	@SYNCD_CRASH=all $(GO) test -count=1 -timeout 60m -run 'TestCrash|TestFrozen' -v ./cmd/syncd
	@$(GO) test -count=1 -timeout 60m ./migrations -run 'FiveStarts|Killed|Cut|GoesOn' -step 1 -rounds 100

prove-redcap: setup ## 2,000 random histories of REDCap projects, with faults and crashes, against the truth after every run
	@SYNCD_HISTORIES=2000 $(GO) test -count=1 -run 'TestHistories$$' -timeout 120m -v ./cmd/syncd

prove-engage: setup ## 500 random histories of Engage campuses, changing while they are read, with faults and crashes, against the truth after every run
	@SYNCD_HISTORIES=500 $(GO) test -count=1 -run 'TestCampusHistories$$' -timeout 120m -v ./cmd/syncd

prove-restore: setup ## 20 dumps taken in the middle of runs and pushes, each restored into another cluster and brought up to the live system; a fail-over
	@SYNCD_MOMENTS=20 $(GO) test -count=1 -run 'TestADumpOfAnyMoment|TestAFailOverToAStandby' -timeout 60m -v ./cmd/syncd

prove-redox: setup ## 10,000 deliveries through a storm against their ledger, and 5,000 orders of 200 messages against one state
	@SYNCD_DELIVERIES=10000 SYNCD_ORDERS=5000 $(GO) test -count=1 -run 'TestWhatWasAcknowledgedIsAppliedOnce$$|TestAnyOrder' -timeout 120m -v ./cmd/syncd

prove-daemons: setup ## three daemons, two backfills and two schedules on one database, with kill -9 and frozen holders: overlaps 0
	@SYNCD_ROUNDS=40 $(GO) test -count=1 -run 'TestDaemonsAndBackfills' -timeout 60m -v ./cmd/syncd

prove-slots: setup ## ten years of every time zone's clock, with restarts and suspensions: slots lost 0, doubled 0
	@SYNCD_SLOTS=all $(GO) test -count=1 -run 'TestNoSlotIsLostOrDoubled$$' -timeout 120m -v ./job

prove-outage: setup ## 200 jobs due in one minute, 3 without their secret, on a server that is down for two and a half hours; pushes go on
	@SYNCD_OUTAGE=200 $(GO) test -count=1 -run 'TestServerWithManyJobs' -timeout 60m -v ./cmd/syncd

image: ## a static container image FROM scratch; BUILDER=IMAGE names the one with Go to build in
	@docker build --build-arg VERSION=$(VERSION) $(if $(BUILDER),--build-arg BUILDER=$(BUILDER)) -t syncd:$(VERSION) -t syncd:latest .

release: ## dist/: static binaries for amd64 and arm64, SBOMs, Debian packages, sources that build without a network, checksums
	@rm -rf dist && mkdir -p dist
	@for arch in amd64 arm64; do \
		GOOS=linux GOARCH=$$arch $(GOBUILD) -o dist/syncd_linux_$$arch ./cmd/syncd && \
		$(RELEASE) sbom -binary dist/syncd_linux_$$arch -o dist/syncd_linux_$$arch.cdx.json $(OF_COMMIT) && \
		$(RELEASE) deb -arch $$arch -binary dist/syncd_linux_$$arch -o dist/syncd_$$arch.deb $(OF_COMMIT) || exit 1; \
	done
	@$(RELEASE) source -o dist/syncd-source.tar.gz $(OF_COMMIT)
	@cd dist && sha256sum syncd* > SHA256SUMS && cat SHA256SUMS

prove-release: ## build the release twice and compare, then build its sources in an empty folder without a network
	@$(MAKE) --no-print-directory release >/dev/null && cp dist/SHA256SUMS dist/first
	@mkdir -p bin/again && mv dist/first bin/again/ && $(MAKE) --no-print-directory release >/dev/null
	@cmp bin/again/first dist/SHA256SUMS && echo "two builds of $(VERSION): the same, byte for byte"
	@rm -rf bin/again && mkdir -p bin/again && tar -xzf dist/syncd-source.tar.gz -C bin/again --strip-components=1
	@cd bin/again && env GOPROXY=off GOFLAGS=-mod=vendor GOMODCACHE="$$PWD/none" GOCACHE="$$PWD/cache" $(MAKE) --no-print-directory build && ./bin/syncd --version
	@chmod -R u+w bin/again && rm -rf bin/again

docs: ## write docs/jobs.md from the configuration's own types
	@$(GO) test ./internal/config -run TestReference -update

clean: ## remove what the targets above made
	@rm -rf bin dist demo-data
