# Files that record how far an interrupted run has come.
mark() { # FILE TEXT
    mkdir -p "${1%/*}"
    put "$1" "$2"
}
upgrading=/var/lib/opennebula-ha/upgrading
# The dump from before an upgrade of the database, until that is complete.
migrating=/var/lib/opennebula-ha/migrating
# This program saw the host blank, and there is no database on it yet: OpenNebula's files that it
# has since then are ours to replace. "new" in it: OpenNebula's package was not installed either.
claimed=/var/lib/opennebula-ha/claimed
claim() { # new, or anything
    [ -e "$claimed" ] || mark "$claimed" "$1"
}
# From now on this program creates or receives the keys in .one and the tables of the database.
claim_data() { mark "$claimed" started; }
unclaim() {
    rm -f "$claimed"
    rmdir --ignore-fail-on-non-empty "$(dirname "$claimed")" 2>/dev/null || true
}
# The database that a conversion from SQLite writes to, until it is complete.
converting=/var/lib/opennebula-ha/converting
# Staged packages: new/ and, for a rollback, old/, the repository, and their versions.
staged=/var/lib/opennebula-ha/staged
# Their units that others have masked, while packages are replaced.
swapping=$staged/masked
