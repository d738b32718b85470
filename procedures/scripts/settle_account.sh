# The database's account once every oned logs in as the stack wants it. Variables: former (another
# account, as SQL has it, or nothing), grant (the beginning of ours); secret: account (SQL).
sql <<<"$account"
[ -z "$former" ] || drop_account "$former" "$grant"
