"""Numbers that the project states, measured; run as ``python -m benchmarks.<name>``."""
