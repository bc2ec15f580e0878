# make demo          a whole session on the simulated microscope
# make test          the tests
# make test-oldest   those of the SerialEM side on Python 3.9, with the lowest versions of all packages
# make fuzz          the property tests with new random examples, ROUNDS times
# All set up .venv first; a second run skips what is done.

PYTHON ?= python3
VENV := .venv
OLD := .venv39
ROUNDS ?= 10
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-oldest oldest-steps oldest-rest fuzz lint clean
export YOLO_CONFIG_DIR := $(CURDIR)/$(VENV)
export MPLBACKEND := Agg

demo: $(STAMP)
	$(BIN)/spacetomo simulate --out demo --seed 900001 --lamellae 6 --level 5

# JOBS processes, each with whole files, whose tests share sessions.
test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# Without the models, whole sessions and property tests, which take long; in two halves, side by side. Whoever
# has a Python 3.9 that is not found names it with PYTHON39=.
test-oldest:
	@if .ci/python39 > /dev/null; then $(MAKE) -j2 -O --no-print-directory oldest-steps oldest-rest; else \
	  echo "No Python 3.9 here, so no test ran on it. Its syntax and library were checked by make lint."; fi

OLDEST = $(OLD)/bin/python -m pytest -m "not session and not models and not hypothesis"

oldest-steps: $(OLD)/.installed
	$(OLDEST) tests/workflow

oldest-rest: $(OLD)/.installed
	$(OLDEST) --ignore=tests/workflow --ignore=tests/session

fuzz: $(STAMP)
	for round in $$(seq $(ROUNDS)); do \
	  $(BIN)/python -m pytest -m hypothesis --hypothesis-profile=random || exit 1; \
	done

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	$(BIN)/vermin --quiet --no-tips --violations --target=3.9- space examples training SPACEtomo*.py

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit('The models need Python >= 3.11, as PyTorch in constraints.txt does' if sys.version_info < (3, 11) else 0)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[predict,dev]"
	touch $(STAMP)

$(OLD)/.installed: pyproject.toml constraints-oldest.txt
	test -x $(OLD)/bin/python || $$(.ci/python39) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e . pytest hypothesis
	touch $(OLD)/.installed

clean:
	rm -rf demo build *.egg-info
