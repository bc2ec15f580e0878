"""Inference jobs: the queue in the shared folder, the workers, and the monitor's loop."""
