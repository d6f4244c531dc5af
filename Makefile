# Names for the daily tasks.  The work is done by tools/, which also make the
# environment: nothing has to be installed by hand but make and a C compiler.
#
#   make test PYTHON=3.14               another Python: a version or a path
#   make test ARGS="-k queue"           arguments for pytest (demo, patrol, bench: theirs)

.DEFAULT_GOAL := help
.PHONY: help demo patrol test check bench lint format asan tsan model fuzz clean

export PYTHON
ARGS ?=

help: ## this list
	@sed -n 's/^\([a-z]*\): .*## /\1	/p' Makefile | expand -t 10

demo: ## the demo: many workbooks into one table, in parallel
	@tools/env demo -- python examples/tables/demo.py $(ARGS)

patrol: ## a puzzle's search, with one worker, two, and so on
	@tools/env test -- python examples/patrol/demo.py $(ARGS)

test: ## C tests of the core, then pytest without what is slow
	@tools/env test -- tools/test -m "not slow" $(ARGS)

check: lint asan tsan model ## everything: lint, sanitizers, model, fuzzing, tests
	@tools/env test -- tests/fuzz/run --short
	@tools/env test -- tools/test $(ARGS)

bench: ## the benchmarks
	@tools/env bench -- python benchmarks/run.py $(ARGS)

lint: ## formats, static analysis, types, the rules between the layers
	@tools/env --no-build lint -- tools/lint

format: ## put C and Python into shape
	@tools/env --no-build lint -- tools/lint --fix

asan: ## C tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/env --no-build -- tools/ctest asan

tsan: ## C tests under ThreadSanitizer
	@tools/env --no-build -- tools/ctest tsan

model: ## check the model of waiting, and that its mutations fail
	@tools/env --no-build -- tests/model/run

fuzz: ## fuzz the decoder until interrupted
	@tools/env test -- tests/fuzz/run

clean: ## remove everything that was made
	rm -rf .build
