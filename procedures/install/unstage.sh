# Remove staged packages: the installed version is the wanted one again.
#: use configuration marks staged
step "remove the staged packages"
# An interrupted replacement has masked them.
[ ! -e "$swapping" ] || unmask_units
rm -rf "$staged"
