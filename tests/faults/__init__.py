"""Faults, put into the real daemon on purpose, and the oracle that says which promise broke."""
