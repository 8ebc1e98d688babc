"""A SLURM cluster of several virtual nodes on one machine, and what the workflow takes on it."""
