"""CWL workflows on dodas: cwltool evaluates, a dodas backend runs the steps.

================= =======================================================================================
``command``       ``dodas cwl``: one run from its arguments to its exit status
``options``       the command line: cwltool's own options and a few of dodas
``pools``         steps on an HTCondor pool
``runs``          a run that can be left, and found again by the same command
``memory``        what such a run knows of its steps
``keys``          names for pieces of work that are the same whenever the work is
``desks``         the same directories for the same step
``inputs``        whether the inputs are what the workflow wants, asked before anything runs
``executor``      the one evaluating thread: takes jobs, hands over steps, reacts to what ended
``flights``       steps under way, handed to the backend in batches; knows nothing of CWL
``tools``         makes cwltool's tools hand out jobs of dodas
``jobs``          a job as a :class:`~dodas.step.Step`, a :class:`~dodas.step.Result` as its outputs
``hostjobs``      what is particular to a step on the host
``containerjobs`` what is particular to a step in a container
``mounts``        what a step sees of this machine, and of storage
``remote``        files at URLs, asked once each and not fetched
``described``     sizes, checksums and places of what a step made
``access``        how cwltool looks at files, those at URLs too
``aside``         files at URLs kept out of the way of what moves files about
``areas``         where steps on nodes put what they make
``reuse``         results of earlier runs instead of steps
``records``       what is recorded of a run: CWLProv and RO-Crates
``drawing``       a workflow as a picture
``literals``      files that are nothing but their content
``publish``       the outputs of a workflow brought to a storage
``links``         symbolic links that a container left among its outputs
``images``        a ``DockerRequirement`` as the name of an image in the store
``extension``     a hint for HTCondor, as cwltool has to know it
``hints``         that hint as hints of a step
``places``        temporary directories of a run, gone with it
``logs``          what cwltool says, beside the display
``translate``     units and verdicts, pure
``reference``     everything that is taken from cwltool, in one list
================= =======================================================================================
"""
