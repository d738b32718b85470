"""Check all hosts before anything is written."""
