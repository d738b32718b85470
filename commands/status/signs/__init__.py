"""Signs of abnormal states: ``table.SIGNS``, which docs/status.md shows.

The row of a sign has its meaning, cause and cure: what this program does by itself, or an exact
command that it would run. Its function, of the same name, finds the state in a situation: in
``zone``, ``oned``, ``replicas``, ``services`` or ``hosts``. A test makes each state.
"""
