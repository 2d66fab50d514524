"""The decisions: pure, no file, no clock, no process, no randomness. Events go in, commands come out."""
