# Release packages that are held back.
#: packages
step "release the packages that are held back"
release $packages
