"""Long work, seen from every process: what runs, how far it is, how it ended.

::

    job_log    the table of jobs: begun, told, ended, asked to end
    job_table  jobs as values that show themselves
    job_desk   what can be done with one: watched, ended, taken up again
    model_jobs models fetched and copied

A job is whatever runs inside `JobLog.run`. To make another verb a job, run it there.
"""
