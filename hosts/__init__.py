"""One host over SSH: login, host keys, scripts, copies of files."""
