"""Learning from clicks alone: where people added and removed targets, and nothing else is labelled.

Of a few clicked places and all the rest, of which nothing is known, a heat map is learnt that says
of each pixel how much it looks like those places (`loss` has the formula). It is no segmentation;
target selection takes it as one more class.
"""

from space.learning.clicks.loss import hot_level, prior_of, risk
from space.learning.clicks.training import train_clicks

__all__ = ["hot_level", "prior_of", "risk", "train_clicks"]
