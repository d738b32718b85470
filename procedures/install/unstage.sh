# Forget the packages that wait: the version that is there is the right one again.
step "drop the packages that wait"
rm -rf "$staged"
