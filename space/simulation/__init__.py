"""Where product and simulator meet: whole sessions, run and compared with the truth."""
