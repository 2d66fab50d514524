"""The handoff protocol: its documents, its folder and the few file operations it rests on."""
