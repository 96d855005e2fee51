"""A real HTCondor pool on this host, of one user, without privileges.

A pool is a directory (:mod:`.layout`), a process that holds its containers (:mod:`.keeper`), a container with
the daemons that take and match jobs (the *head*) and one with the daemon that runs them (the *node*).
:mod:`.bring_up` and :mod:`.take_down` make and end it, :mod:`.look` says how it is, :mod:`.access` lets
HTCondor's Python bindings talk to it.
"""
