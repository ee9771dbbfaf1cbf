"""PgBouncer's console: finding the instances of a host, asking them, and planning what to tell them."""
