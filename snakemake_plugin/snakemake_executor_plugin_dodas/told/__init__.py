"""What people read of jobs."""
