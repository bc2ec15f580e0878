"""Particles in tomograms, learnt from a few that a person marked."""
