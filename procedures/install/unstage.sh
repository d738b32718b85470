# Remove staged packages: the installed version is the wanted one again.
#: use configuration marks
step "remove the staged packages"
rm -rf "$staged"
