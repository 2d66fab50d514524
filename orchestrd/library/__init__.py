"""The library: workflows with parameters, and roles that steps name; what ships, the user's own, a project's own.

A workflow turns into an ordinary plan when a plan that names it is accepted; nothing after that knows of it.
"""
