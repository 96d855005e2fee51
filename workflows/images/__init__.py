"""Images of the workflows, made of Debian packages by :mod:`dodas.containers.packages`."""
