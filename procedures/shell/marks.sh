# Files that say how far an interrupted run has come.
# Says that the zone's database changes its version: LEADER PACKAGE DATABASE. No oned starts until then.
upgrading=/var/lib/opennebula-ha/upgrading
# The dump that the database was upgraded from, while that is not done.
migrating=/var/lib/opennebula-ha/migrating
# Says that this program saw the host blank, and that there is no database on it yet: what it has of
# OpenNebula since then is ours to replace. "new" in it: it had no package, either.
claimed=/var/lib/opennebula-ha/claimed
claim() { # new, or anything
    [ ! -e "$claimed" ] || return 0
    mkdir -p "$(dirname "$claimed")"
    put "$claimed" "$1"
}
# From here on the keys in .one and the tables of the database are made, or received, by us.
claim_data() {
    mkdir -p "$(dirname "$claimed")"
    put "$claimed" started
}
unclaim() {
    rm -f "$claimed"
    rmdir --ignore-fail-on-non-empty "$(dirname "$claimed")" 2>/dev/null || true
}
# Names the database that OpenNebula's data come to from SQLite, while they do.
converting=/var/lib/opennebula-ha/converting
# Packages that wait for their turn: new/ and, for a rollback, old/, the repository, and what they are.
staged=/var/lib/opennebula-ha/staged
