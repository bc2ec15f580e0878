"""The microscope's hands: the only place that talks to SerialEM."""
