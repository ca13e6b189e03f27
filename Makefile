VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The race detector needs a C compiler, which a machine with Go and make alone may not have.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/lineq
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/lineq ./cmd/lineq

.PHONY: demo
demo: build ## embedded Redis, simulated LINE, worker: send, and account for every recipient
	bin/lineq demo

.PHONY: test
test: ## all tests, with the race detector; ends with a list of what was skipped, and why
	@test -n '$(RACE)' || echo 'SKIPPED: the race detector needs a C compiler (Debian: apt-get install gcc)'
	go run gotest.tools/gotestsum@v1.13.0 --format pkgname -- $(RACE) -shuffle=on -parallel 8 ./...
	cd deploy && go run gotest.tools/gotestsum@v1.13.0 --format pkgname -- -shuffle=on ./...

.PHONY: chaos
chaos: ## kill, freeze and cut everything while 200,000 sends flow, in five minutes; SEED=N repeats a run; needs redis-server
	go test -C cmd/lineq/chaos -count 1 -timeout 20m -run '^TestChaos$$' -chaos.full $(if $(SEED),-chaos.seed $(SEED))

.PHONY: check
check: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w .'; exit 1; }
	go vet ./... && go vet -C deploy ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

.PHONY: fuzz
fuzz: ## every fuzz test for half a minute
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime 30s $$p || exit 1; done; done

.PHONY: bench
bench: ## lineq beside asynq with LINE's SDK: rates, limits, latency, campaigns, gateway, in ten minutes; needs redis-server and wrk
	go run ./cmd/lineqbench

DIST ?= dist
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
# The archives of one version are the same wherever and whenever they are made, with the same Go.
EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.PHONY: release
release: ## archives for each platform with checksums, in dist/; needs GNU tar; VERSION=v1.2.3
	@mkdir -p $(DIST)
	@set -e; for p in $(PLATFORMS); do \
		os=$${p%/*} arch=$${p#*/} name=lineq-$(VERSION)-$${p%/*}-$${p#*/}; \
		program=lineq; [ $$os != windows ] || program=lineq.exe; \
		rm -rf $(DIST)/$$name; mkdir $(DIST)/$$name; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(DIST)/$$name/$$program ./cmd/lineq; \
		cp LICENSE README.md $(DIST)/$$name/; \
		tar -C $(DIST) --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --mtime=@$(EPOCH) -cf - $$name | gzip -9n > $(DIST)/$$name.tar.gz; \
		rm -rf $(DIST)/$$name; echo $(DIST)/$$name.tar.gz; done
	@cd $(DIST) && sha256sum *.tar.gz > SHA256SUMS
