"""What a user has to show to services, each kind read in one place.

Standard library only, Python 3.9: it is shipped to nodes.
"""
