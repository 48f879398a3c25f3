"""The SLURM launcher: SLURM is the queue, the trial folder is the truth.

::

    settings   keys of hydra-submitit-launcher and ours → an sbatch script
    chunk      what one submission (an array of jobs) asks for, as a file that the nodes read
    queue      what SLURM says of the jobs: one ``squeue`` a poll
    submit     chunks through sbatch, under the site's limits
    verdict    why a job's trial has no end of its own
    slots      the loop's view of it all
    work       a job's life on its node
"""
