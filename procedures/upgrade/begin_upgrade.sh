# Prevent each start of oned until every database is upgraded.
#: use marks
#: target: LEADER PACKAGE DATABASE
mark "$upgrading" "$target"
