"""One function a command-line verb: the glue between the rooms.

Stages own file input and output, provenance, progress and parallelism; everything else lives in the other rooms.
Each stage reads declared files and writes declared files, whole or not at all, so that a workflow engine can run it
anywhere.
"""
