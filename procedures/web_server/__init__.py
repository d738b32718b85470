"""The web server with TLS in front of FireEdge."""
