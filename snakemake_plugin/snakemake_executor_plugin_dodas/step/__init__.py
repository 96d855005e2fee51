"""From a job to a step: what it sees, takes along, may use and leaves."""
