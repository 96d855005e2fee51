"""Images from registries: the reading half of the OCI distribution specification.

``pull.pull`` brings an image into the store, ``login`` keeps passwords.  This package imports nothing by
itself: ``platforms`` and ``manifests`` serve archives too, without what connections need.
"""
