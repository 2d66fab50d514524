"""Claude Desktop's configuration: found, read, changed by our entries alone, put back."""
