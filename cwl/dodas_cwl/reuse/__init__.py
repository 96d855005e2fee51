"""Results of earlier runs instead of steps; :mod:`dodas.reuse` holds them.

=========== ========================================================
``results`` asks for the result of a job, and keeps that of one that ran
``content`` what decides on the result of a job
``digests`` the digest that the name of an image stands for
``kept``    an output object and its files, as they are kept
=========== ========================================================
"""
