"""What makes a pool follow its queue: it looks, decides, does, and remembers why.

:mod:`.decide` is the heart, a pure function; :mod:`.observe` looks at the pool, :mod:`.loop` carries out what
was decided, :mod:`.registry` remembers, :mod:`.process` is the process that does so while the pool is up.
"""
