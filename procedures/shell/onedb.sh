# The version of the database that the installed packages need.
# The version of the database that onedb's file on standard input names.
schema_in() { sed -n "s/.*LATEST_\(LOCAL_\)\?DB_VERSION *= *'\([0-9.]*\)'.*/\2/p" | sort -u | paste -sd/; }
onedb_schema=/usr/lib/one/ruby/onedb/database_schema.rb
