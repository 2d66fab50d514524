"""From the lanes to an accepted plan: watch, settle, read, check."""
