"""Measurements against peers, each in one run on one machine, with their last results."""
