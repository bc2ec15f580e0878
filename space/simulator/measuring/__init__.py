"""What SerialEM measures, measured on simulated pictures."""
