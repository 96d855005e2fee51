"""`dodas cwl` against other runners of CWL: many small steps, and the same again when nothing has changed."""
