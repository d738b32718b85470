"""Who is in the zone, who is not, and the steps from one to the other. Pure.

Invariant: no oned ever serves a copy of the zone's database outside the zone, and no database with
content is replaced unless it is a copy of this zone's.

The order of the steps keeps it, and lets an interrupted run resume from the observed state alone:
in a bootstrap the first server is the **last** to get its SERVER_ID, after every other server holds
the whole database and its own SERVER_ID, and before any of them starts. So

- a database with content and SERVER_ID -1 is a standalone server: the first one, whether it has
  been one for a second or for years. No server has run in a zone yet; the copy can be repeated.
- content with a SERVER_ID of 0 or more is a zone server. If there is no standalone server, all of
  them are zone servers, and only their start is missing.

A server that joins gets the database first, then its entry in the pool, then its SERVER_ID, and is
started last: until then its oned is disabled. Several that join in one run get the database
together, before the first of them has its entry; the log brings what is written in between. Only
that run knows it: the next one cannot tell such a copy from one that fell behind in another way,
and copies again.
"""
