"""Copy a leader's database and keys to other front-ends."""
