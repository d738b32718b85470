"""The OpenNebula stand-in: Debian packages that take the place of OpenNebula's own in the lab."""
