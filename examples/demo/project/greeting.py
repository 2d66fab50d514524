"""Greetings for people."""


def hello(name: str) -> str:
    """Greet somebody who arrives."""
    return f"Hello, {name}!"
