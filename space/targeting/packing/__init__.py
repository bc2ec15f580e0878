"""Where targets fit: beams packed without harm to one another, their total score the highest."""

from space.targeting.packing.candidates import NODES_PER_BEAM, Candidates, candidate_grid
from space.targeting.packing.pack import choose_points
from space.targeting.packing.tilt import TOUCH_UM, TiltFrame, clear_of, conflicts

__all__ = [
    "NODES_PER_BEAM",
    "TOUCH_UM",
    "Candidates",
    "TiltFrame",
    "candidate_grid",
    "choose_points",
    "clear_of",
    "conflicts",
]
