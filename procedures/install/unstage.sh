# Remove staged packages: the version that is installed is the right one again.
#: use configuration marks
step "drop the packages that wait"
rm -rf "$staged"
