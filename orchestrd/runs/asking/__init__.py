"""What Claude Code asks a person, by way of `requests/` and `replies/` (PROTOCOL 6.2 and 6.3)."""
