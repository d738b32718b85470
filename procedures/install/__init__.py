"""Set up one host: packages, database, configuration, storage."""
