# Let apt change packages again that somebody held back. Variable: packages.
step "release the packages that are held back"
apt-mark unhold $packages >&2
