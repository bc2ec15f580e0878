"""How the shipped models were made; run as ``python -m training.<name>``."""
