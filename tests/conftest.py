"""Property tests: the same examples in every run, unless asked for others.

A change must not pass or fail by luck, so the examples follow from the test alone. `make fuzz`
draws new ones, again and again; what it finds belongs into a test of its own.
"""

from hypothesis import settings

# A busy machine is no error: no deadlines.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("random", derandomize=False, deadline=None, print_blob=True)
# pytest --hypothesis-profile=random comes after this line and wins.
settings.load_profile("ci")
