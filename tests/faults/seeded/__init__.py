"""T15, the test of the tests: bugs that are known, put in one by one; the campaigns have to catch them."""
