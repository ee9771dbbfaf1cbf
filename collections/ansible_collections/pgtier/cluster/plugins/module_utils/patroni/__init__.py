"""Patroni's REST API: a thin client, and the pure decisions made from what it answers."""
