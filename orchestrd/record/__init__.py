"""What is remembered: the journal of each plan, the registers of ids and orders, and an index derived from them."""
