# make run     set up what is missing, then open the window (without a display: render a demo into out/)
# make test    set up what is missing, then run the tests
# make lint    ruff, mypy and the import contracts
# make bench   the benchmarks: render speed, first sound, longest stall of the window
# make test-models  the model adapters' tests on the oldest transformers they support, in .venv-models
# make eval    add the packages that judge naturalness and speaker similarity
# make clean   remove what was made here; make distclean the environment as well

VENV := .venv
PY := $(VENV)/bin/python
export VENV PYTHON

# Where the oldest supported transformers is; the pinned one is in VENV.
MODELS_VENV := .venv-models
export MODELS_VENV

.PHONY: run test test-models lint format bench eval clean distclean

run: $(VENV)/.installed
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" != Linux ]; then exec $(PY) -m studio; \
	else exec $(PY) -m studio demo --out out; fi

test: $(VENV)/.installed $(VENV)/.system-test
	$(PY) -m pytest $(ARGS)

test-models: $(MODELS_VENV)/.installed
	$(MODELS_VENV)/bin/python -m pytest -c .ci/models.ini --rootdir . tests/lalm/qwen_omni $(ARGS)

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
	rm -rf $(VENV) $(MODELS_VENV)

$(VENV)/.installed: pyproject.toml constraints.txt .ci/setup
	@.ci/setup system run
	@.ci/setup python
	@touch $@

$(VENV)/.system-test: .ci/setup | $(VENV)/.installed
	@.ci/setup system test
	@touch $@

$(MODELS_VENV)/.installed: constraints.txt .ci/setup
	@.ci/setup models
	@touch $@
