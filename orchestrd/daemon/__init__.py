"""The loop, and what it is made of: what wakes it, what is done beside it, what it shows."""
