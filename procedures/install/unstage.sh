# Remove staged packages: the version that is installed is the right one again.
#: use configuration marks
step "remove the staged packages"
rm -rf "$staged"
