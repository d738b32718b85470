# Forget that this host was seen blank: what is on it from now on is not ours.
unclaim
