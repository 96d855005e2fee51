"""What a user writes about a pool: one YAML file, ``pool.yaml``.

:mod:`.model` has the values, :mod:`.reading` makes them out of a file and says what is wrong with one, by
line and field; ``schema.json`` is the published JSON Schema (draft 2020-12) of the file.
"""
