"""`overseen demo`: real work for a supervisor, with failures that are real.

Every Python file under a folder is read and asked three questions, each by a job of its own.

| file | subject |
| --- | --- |
| `corpus.py` | which files: found, chosen, and a few broken or flaky ones planted |
| `questions.py` | what is asked of one file; pure parsing |
| `jobs.py` | the questions as jobs |
| `place.py` | where the database is, and what beginning afresh removes |
| `counts.py` | how far it is, folded from events |
| `screen.py` | shows the counts: a live bar, or lines where there is no terminal |
| `interrupts.py` | what Ctrl-C does, the first, second and third time |
| `report.py` | the summary at the end |
| `run.py` | all of it together |
"""
