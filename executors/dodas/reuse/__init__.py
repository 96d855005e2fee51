"""Results of steps, kept under what they were made of, and given out again when the same is asked for.

=============  ===========================================================================================
``document``   what a result is made of, as named parts; its key, and what differs between two, in words
``checksums``  checksums of files, each made once as long as the file stays as it is
``trees``      files and directories brought into an entry, and compared with what was noted of them
``entries``    where results are, and what is noted of each
``cache``      the entries of one directory: found, verified, added whole or not at all
``durable``    what was written gets to the disk
``asked``      what runs asked for, and what became of it
``collect``    what goes when room is wanted
=============  ===========================================================================================

It is here and not with a front end because nothing in it knows of CWL: a front end says what a step is made
of (:mod:`dodas_cwl.reuse.content` does), and `dodas cache` looks at the results of whichever has kept them.

A directory of results holds::

    entries/KE/KEY/entry.json    the document, what came out, size and checksum of each file
    entries/KE/KEY/out/…         the files
    live/RUN/                    entries in the making, of a run that holds the lock in it
    asked/…                      the last question for each step, for `dodas cache why`
    lock                         held for moments: by many who take entries out, by one who removes them
"""
