"""Runs of many operations, on one ring: what is behind `read_ranges` and its like."""
