"""Servers of a zone that runs: join, leave, and take the whole zone down."""
