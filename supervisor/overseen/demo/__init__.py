"""`overseen demo`: real work for a supervisor, with failures that are real, and a real death.

Every Python file under a folder is read and asked three questions, each by a job of its own; all of
them are one batch, and the list of them is uploaded to it. Halfway the process that runs them is
killed with ``kill -9``, and another one finishes.

| file | subject |
| --- | --- |
| `corpus.py` | which files: found, chosen, and a few broken or flaky ones planted |
| `questions.py` | what is asked of one file; pure parsing |
| `listing.py` | the list of all questions, as the file that is uploaded |
| `jobs.py` | the questions as jobs, and the job that gets the list |
| `place.py` | where the database is, and what beginning afresh removes |
| `life.py` | one life: the process that runs the supervisor |
| `parent.py` | the process at the terminal: starts a life, kills it, starts another |
| `messages.py` | what those two tell each other |
| `interrupts.py` | what Ctrl-C does, the first, second and third time |
| `screen.py` | shows how far the batch is |
| `evidence.py` | what the database says afterwards, by SQL |
| `report.py` | the words for it |
| `run.py` | all of it together |
"""
