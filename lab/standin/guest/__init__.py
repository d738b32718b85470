"""What runs on a lab host: oned and its command line, with only the host's Python.

Modules here import nothing outside this package, the standard library, cryptography, yaml and,
lazily, pymysql. They are installed as the package `one_standin`; all imports within are relative
for that reason.
"""
