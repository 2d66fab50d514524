"""The engine in a simulated world: a million plan lives, crashes everywhere, no real time, no file: `make simulate`."""
