"""`overseen explain`: why a job does not run, what happens next, what has happened and who did it.

From its row and its ledger alone, so the same words come from a running supervisor and from a file.
"""
