"""Runs launches on this machine: a fork server, supervisors, and what tests and chooses engines."""
