"""The MCP server for Claude Desktop, and for any other model that plans: tools, resources and prompts over stdio.

It is one more reader and writer of the root: what it hands in goes into a lane, what it tells stands in files. It works
while no daemon serves the root, decides nothing that the daemon decides, and answers at once. `server.py` wires it;
each other room is a family of tools. What comes from plans, models and repositories stays in fields of its own.
"""
