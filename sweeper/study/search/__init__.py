"""What is searched and how it is drawn: the space, the samplers, the pruners, and the asking for a trial."""
