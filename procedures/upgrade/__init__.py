"""Another version of OpenNebula on a zone that runs."""
