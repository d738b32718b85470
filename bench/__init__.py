"""Honest timings: what must be done, done by a plain script, beside what the program takes."""
