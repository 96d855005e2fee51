"""Records of a run: CWLProv research objects, and RO-Crates made of the same.

============== ====================================================================================
``provenance`` what ``--provenance`` and ``--rocrate`` need before a run, what is left of it after
``recorded``   workflows and expressions whose runs are recorded
``recording``  tells the documents of each step as it ends
``activities`` what is told of a step
``research``   the research object
``profile``    one document in it
``secrecy``    what must not get there
``rocrate``    the same as an RO-Crate
``crateplan``  the workflow in it
``cratedata``  values and files in it
============== ====================================================================================
"""
