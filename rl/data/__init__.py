"""From files to checked data: exports of the log, converted data sets, checkpoints. Everything wrong is said here, in a
sentence, before training starts.
"""
