"""What a machine needs to build the stand-in's packages and to test the stand-in."""

BUILD = {
    "dpkg": "dpkg-deb makes the packages",
    "gnupg": "signs the repository's Release file",
}

TEST = {
    "mariadb-server-core": "the database of the servers under test",
    "mariadb-client": "onedb backs up and restores with it",
    "python3-pymysql": "the stand-in's only library, for the system's python3",
}
