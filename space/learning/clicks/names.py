"""Names of keypoints that are clicks of people."""

WANTED, REMOVED = "target", "removed"
"""Where a person wants targets, and where one took a target away."""
