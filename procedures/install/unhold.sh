# Release packages that are held back.
#: use package_manager
#: packages
step "release the packages that are held back"
release $packages
