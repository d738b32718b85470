"""`make picture STACK=…`: the zone and what happened in it, as two drawings in one HTML file.

Everything here is pure, apart from ``__main__``.
"""
