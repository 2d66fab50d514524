"""What a decision costs."""


def show(chart: str | None) -> None:
    """Later."""
