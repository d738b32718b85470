# Prevent each start of oned until every database is upgraded.
#: use marks
#: target: LEADER PACKAGE DATABASE
mkdir -p "$(dirname "$upgrading")"
put "$upgrading" "$target"
