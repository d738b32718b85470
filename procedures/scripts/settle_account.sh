# The database's account once every oned logs in as the stack wants it. Secret: account (SQL).
sql <<<"$account"
