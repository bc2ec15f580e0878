"""The levels of a session as resumable steps; `space.workflow` puts them in order."""
