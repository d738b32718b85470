"""Benchmarks: the program's times, compared with those of a plain script for the same work."""
