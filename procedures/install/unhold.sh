# Let packages change again that somebody held back. Variable: packages.
step "release the packages that are held back"
release $packages
