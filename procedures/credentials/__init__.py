"""oneadmin's password and keys, and login keys of other accounts."""
