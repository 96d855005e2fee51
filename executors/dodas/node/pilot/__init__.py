"""The pilot: what a worker of a pool on demand is on its node.

It looks whether the node can do the work, starts HTCondor's daemons in a container (or, in a container that
has HTCondor, beside itself), and ends them when it is time.  Standard library only: it is shipped.
"""
