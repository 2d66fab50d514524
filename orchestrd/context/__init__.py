"""What is known of each project, kept from the results of its plans (PROTOCOL 1, `context/`)."""
