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

.PHONY: chaos
chaos: ## kill, freeze and cut everything while 200,000 sends flow, in five minutes; SEED=N repeats a run; needs redis-server
	go test -C cmd/lineq/chaos -count 1 -timeout 20m -run '^TestChaos$$' -chaos.full $(if $(SEED),-chaos.seed $(SEED))

.PHONY: check
check: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w .'; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

.PHONY: fuzz
fuzz: ## every fuzz test for half a minute
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime 30s $$p || exit 1; done; done

.PHONY: bench
bench: ## lineq beside asynq with LINE's SDK: rates, limits, latency, campaigns, gateway, in ten minutes; needs redis-server and wrk
	go run ./cmd/lineqbench
