# SPDX-License-Identifier: MIT
# The front door.  Each target first makes sure of the tools it needs (tools/setup), then calls
# Meson in $(BUILD).

PREFIX ?= /usr/local
BUILD ?= build
SIM_FIRST ?= 1
SIM_SEEDS ?= 100000
SANITIZERS ?= asan tsan gcc-asan memcheck
clang := env CC=clang CXX=clang++

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help build run test variants sim cross sanitize deep bench install check-style format map
.PHONY: clean
.PHONY: $(SANITIZERS:%=build-%)

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 - \2/p' Makefile

build: ## build the library and the examples (what plain `make` does)
	@tools/setup build
	@tools/build $(BUILD)

run: build ## build, then run the demo daemon until Ctrl-C
	@exec $(BUILD)/examples/hello

test: ## build and run every test
	@tools/setup build test
	@tools/build $(BUILD) -Dtests=enabled
	@tools/run-tests $(BUILD)

pollers := $(foreach suite,eventer:eventer coro tls listener http,--only $(suite))

variants: ## test loops with poll and io_uring, and the coroutine core with its other switches
	@tools/setup build test
	@tools/build $(BUILD) -Dtests=enabled
	@EVENTER_IMPLEMENTATION=poll tools/run-tests $(pollers) $(BUILD)
	@EVENTER_IMPLEMENTATION=io_uring tools/run-tests $(pollers) $(BUILD)
	@tools/build $(BUILD)-ucontext -Dtests=enabled -Daco_switch=ucontext
	@tools/build $(BUILD)-fpu -Dtests=enabled -Daco_fpu_control=true
	@tools/run-tests --only aco --only coro $(BUILD)-ucontext $(BUILD)-fpu

sim: ## run 100,000 worlds of simulated threads, time and sockets (SIM_SEEDS=N, SIM_FIRST=N)
	@tools/setup build test
	@tools/build $(BUILD) -Dtests=enabled
	@$(BUILD)/tests/sim/sim --first $(SIM_FIRST) --seeds $(SIM_SEEDS) --jobs $$(nproc)
	@tests/sim/test_mutants.py . $(BUILD)

cross: ## test the coroutine core for aarch64, under qemu
	@tools/setup build cross
	@tools/cross-aarch64 $(BUILD)-aarch64-root
	@tools/build $(BUILD)-aarch64 -Dtests=enabled \
		--cross-file=$(abspath $(BUILD)-aarch64-root)/cross.ini
	@tools/run-tests --only aco --only coro $(BUILD)-aarch64

sanitize: ## run the tests under ASan and UBSan (clang, gcc), TSan and memcheck (SANITIZERS=...)
	@tools/setup build sanitize
	@$(MAKE) --no-print-directory $(SANITIZERS:%=build-%)
	@tools/run-tests $(SANITIZERS:%=$(BUILD)-%)

build-asan:
	@$(clang) tools/build $(BUILD)-asan -Dtests=enabled -Db_sanitize=address,undefined
build-tsan:
	@$(clang) tools/build $(BUILD)-tsan -Dtests=enabled -Db_sanitize=thread
build-gcc-asan:
	@tools/build $(BUILD)-gcc-asan -Dtests=enabled -Db_sanitize=address,undefined
# valgrind stands still where a thread waits in io_uring_enter(2) and another is to wake it.
build-memcheck:
	@tools/build $(BUILD)-memcheck -Dtests=enabled -Dvalgrind=true -Dio_uring=disabled

deep: test variants sanitize cross sim ## all of these one after the other: before a release

bench: ## measure beside the peers
	@tools/setup build bench
	@tools/build $(BUILD)-bench -Dlibdir=lib -Dprefix=$(abspath $(BUILD)-bench/prefix)
	@meson install -C $(BUILD)-bench --no-rebuild --quiet
	@bench/run $(abspath $(BUILD)-bench/prefix)

install: ## install below PREFIX (/usr/local); DESTDIR is honoured
	@tools/setup build
	@tools/build $(BUILD) -Dlibdir=lib -Dprefix=$(abspath $(PREFIX))
	@tools/install $(BUILD) $(abspath $(PREFIX))

check-style: ## run the checks of format, limits, layers and names only
	@tools/setup build test
	@tools/build $(BUILD) -Dtests=enabled
	@tools/run-tests --only gates $(BUILD)

format: ## format the sources in place
	@tools/setup test
	@tools/format .

map: ## write the list of exported names anew from the headers
	@tools/setup build
	@tools/symbols.py --update .

clean: ## remove everything that was built
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-gcc-asan $(BUILD)-memcheck $(BUILD)-bench \
		$(BUILD)-ucontext $(BUILD)-fpu \
		$(BUILD)-aarch64 $(BUILD)-aarch64-root
