"""Batches: jobs that are summed up together, followed and finalized as one."""
