"""The extension for Claude Desktop: `python -m bundle` makes `dist/orchestrd.mcpb`. For work on the project."""
