"""Databases of every PgBouncer that no application uses. Apart from the plan: programs on the hosts want them too."""

from __future__ import annotations

CONSOLE = "pgbouncer"
# Where passwords are looked up.
LOOKUP = "pgbouncer_lookup"
OWN = (CONSOLE, LOOKUP)
