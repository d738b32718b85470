"""Plan which servers are in the zone, and the steps to get there. Pure.

Invariant: no oned ever serves a copy of the zone's database outside the zone, and no database with
content is replaced unless it is a copy of this zone's.

The order of the steps keeps it, and lets an interrupted run resume from the observed state alone:
in a bootstrap the first server is the **last** to get its SERVER_ID, after every other server holds
the whole database and its own SERVER_ID, and before any of them starts. So

- A database with content and SERVER_ID -1 belongs to a standalone server: the first one, new or
  old. No server has run in a zone yet, so that the copy can be repeated.
- Content with a SERVER_ID of 0 or more belongs to a zone server. If there is no standalone server,
  all of them are zone servers, and only their start is missing.

A server that joins gets the database first, then its entry in the pool, then its SERVER_ID, and is
started last: until then its oned is disabled. Several that join in one run get the database
together, before the first of them has its entry; the log brings what is written in between. Only
that run knows that these copies are recent: the next one copies again.
"""
