"""What runs, the daemon and the machine use. It reads and decides nothing."""
