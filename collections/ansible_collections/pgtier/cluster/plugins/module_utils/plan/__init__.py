"""The plan: a pure function from an inventory to everything that templates, roles and modules need to know."""
