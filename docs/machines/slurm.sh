#!/bin/bash
# One model on four machines, started by Slurm: sbatch slurm.sh
# Not run on a cluster; two processes on one machine are what the tests run.
#SBATCH --job-name=isthmus
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=02:00:00

# Every process runs the same command; Slurm tells each who it is, and process 0 writes the model.
# Data and model lie in a folder that all machines see.
srun isthmus fit sales.parquet --coordinator auto --checkpoint --batch-size 2048 -o sales.isthmus

# After a machine is lost, go on from the last checkpoint, on as many machines as there are:
# srun isthmus fit sales.parquet --resume sales.isthmus --coordinator auto --checkpoint
