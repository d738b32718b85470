# From here on no oned of ours starts until the database has its new version everywhere.
#: use marks
#: target: LEADER PACKAGE DATABASE
mkdir -p "$(dirname "$upgrading")"
put "$upgrading" "$target"
