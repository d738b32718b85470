"""Disposable hosts and stand-ins for the demo and the tests; never imported by the program."""
