"""A session that is kept on disk."""
