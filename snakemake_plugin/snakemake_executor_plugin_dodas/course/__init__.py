"""How a job is run: which steps it takes, one after the other, and why."""
