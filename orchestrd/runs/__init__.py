"""Runs: Claude Code started in a checkout, followed, judged, and its whole process tree ended."""
