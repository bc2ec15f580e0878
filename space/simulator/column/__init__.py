"""The microscope's column: instrument, optics, states, stage, drift, clock, and what goes wrong."""
