"""Which OpenNebula this stands in for. Packages of another version carry another such file."""

VERSION = "7.2.0"
DB_VERSION = "7.2.0"
