"""Files on WebDAV storage, single servers and Dynafed federations.

:class:`dodas.staging.storage.Storage` is the way in.  Standard library only, Python 3.9: it is shipped to
nodes.
"""
