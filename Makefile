# make run     set up what is missing, then open the window (without a display: render a demo into out/)
# make test    set up what is missing, then run the tests
# make lint    ruff, mypy and the import contracts
# make bench   the benchmarks: render speed, first sound, longest stall of the window
# make eval    add the packages that judge naturalness and speaker similarity
# make clean   remove what was made here; make distclean the environment as well

VENV := .venv
PY := $(VENV)/bin/python
export VENV PYTHON

.PHONY: run test lint format bench eval clean distclean

run: $(VENV)/.installed
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" != Linux ]; then exec $(PY) -m studio; \
	else exec $(PY) -m studio demo --out out; fi

test: $(VENV)/.installed $(VENV)/.system-test
	$(PY) -m pytest $(ARGS)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.installed
	@for file in tests/benchmarks/bench_*.py; do \
	  $(PY) -m tests.benchmarks.$$(basename $$file .py) || exit 1; done

eval: $(VENV)/.installed
	@.ci/setup eval

clean:
	rm -rf out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find studio tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt .ci/setup
	@.ci/setup system run
	@.ci/setup python
	@touch $@

$(VENV)/.system-test: .ci/setup | $(VENV)/.installed
	@.ci/setup system test
	@touch $@
