# make demo   a whole session on the simulated microscope
# make test   the tests
# make fuzz   the property tests with new random examples, ROUNDS times
# All set up .venv first; a second run skips what is done.

PYTHON ?= python3
VENV := .venv
ROUNDS ?= 10
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz lint clean
export YOLO_CONFIG_DIR := $(CURDIR)/$(VENV)
export MPLBACKEND := Agg

demo: $(STAMP)
	$(BIN)/spacetomo simulate --out demo --seed 900001 --lamellae 6 --level 5

test: $(STAMP)
	$(BIN)/python -m pytest

fuzz: $(STAMP)
	for round in $$(seq $(ROUNDS)); do \
	  $(BIN)/python -m pytest -m hypothesis --hypothesis-profile=random || exit 1; \
	done

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit('SPACEtomo needs Python >= 3.10' if sys.version_info < (3, 10) else 0)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[predict,dev]"
	touch $(STAMP)

clean:
	rm -rf demo build *.egg-info
