"""A daemon that takes plans from a folder, runs Claude Code on them and writes back what became of each."""
