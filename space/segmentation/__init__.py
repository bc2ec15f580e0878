"""One lamella map to a map of labels."""
