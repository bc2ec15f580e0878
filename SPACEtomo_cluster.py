"""What a job on a SLURM cluster asks for: ``SPACEtomo_monitor.py --executor slurm``.

This file is read, not run: write plain numbers, strings in quotes and lists. docs/clusters.md says
what the cluster must allow.
"""

# Partition and account; empty for the usual ones of the cluster.
queue = ""
account = ""
# Longest time of one job, hours:minutes:seconds. A job ends earlier when no map waits.
walltime = "02:00:00"
# Of one job, which does one map at a time.
cores = 4
memory_gb = 16
# GPUs as SLURM names them: "gpu:1", or "" for none.
gres = ""
# Further options of sbatch, such as ["--constraint=a100", "--qos=short"].
extra = []
# Lines of shell that the job runs first, such as ["module load cuda"].
setup = []
# Full path of the Python on the nodes; empty for the Python that runs the monitor.
python = ""
# Network interface that nodes reach this computer by, such as "ib0"; empty for the usual one.
interface = ""
# Port that nodes reach the monitor at; 0 for any that is free.
port = 0
# Connections are encrypted and strangers refused. False only where all users are trusted.
encrypt = True
