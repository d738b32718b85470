# What family of distributions the host is of. Here its constants are added.
ID=
ID_LIKE=
VERSION_ID=
[ ! -r /etc/os-release ] || . /etc/os-release
