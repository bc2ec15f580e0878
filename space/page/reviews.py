"""What a person asks of the run on the page, and what became of it."""
