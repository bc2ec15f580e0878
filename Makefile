# make demo          a whole session on the simulated microscope; TORCH=1 installs PyTorch as well
# make test          the tests, without whole sessions
# make test-sessions whole sessions with the shipped models
# make test-all      both in one go, which is shorter
# make test-browser  the page in a browser (Debian: apt-get install chromium)
# make test-oldest   those of the SerialEM side on Python 3.9, with the lowest versions of all packages
# make fuzz          the property tests with new random examples, ROUNDS times
# make lint          style, layers, types, oldest Python, docs
# What they do stands in make.py, which does the same where there is no make: python make.py demo

PYTHON ?= python3

.PHONY: setup demo test test-sessions test-all test-browser test-oldest fuzz lint clean
setup demo test test-sessions test-all test-browser test-oldest fuzz lint clean:
	@$(PYTHON) make.py $@
