"""From a tilt series to a tomogram: reading, alignment, contrast transfer, reconstruction."""
