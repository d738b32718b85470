"""The start of a zone: bootstrap, adopt, convert, restore."""
