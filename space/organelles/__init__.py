"""What is in a volume: networks that learn it from a part, and predict it block by block."""
