"""The SLURM launcher: SLURM is the queue, the trial folder is the truth.

::

    settings   keys of hydra-submitit-launcher and ours → an sbatch script
    resources  what each trial asks for: an option may need more than another
    chunk      what one submission (an array of jobs) asks for, as a file that the nodes read
    queue      what SLURM says of the jobs: one ``squeue`` a poll
    submit     chunks through sbatch, under the site's limits
    verdict    why a job's trial has no end of its own
    flying     a job in SLURM's hands, and how its trials stand
    slots      the loop's view of it all
    work       a job's life on its node
"""
