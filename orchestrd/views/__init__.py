"""What people are shown: plans, runs and results in words. Readers of the root like any other program."""
