"""Programs that stand in front of others under their name, do better what they can, and pass on the rest.

``dodas env`` puts them on PATH.  They are started for every step of somebody else's workflow, so they import
little, and that late.
"""
