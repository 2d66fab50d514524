"""Where plans work: git worktrees made, gathered and removed, and the one way in which git is called."""
