"""Power loss (T7): what was done is recorded; every state that a cut may leave is built, recovered and judged."""
