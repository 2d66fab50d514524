"""What the daemon tells: results, requests for documentation, status. It derives all of it and decides nothing."""
