# The host's family of distributions. Its constants are added here.
ID=
ID_LIKE=
VERSION_ID=
[ ! -r /etc/os-release ] || . /etc/os-release
