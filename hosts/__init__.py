"""One machine over SSH: how to reach it, what to run there, what to send from one to another."""
