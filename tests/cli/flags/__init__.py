"""One row for each flag of each command: what the flag does, by its right value."""
