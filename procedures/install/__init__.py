"""What one host has: packages, database, configuration, storage."""
