"""Images in files: what is in an archive, before anything of it is in the store."""
