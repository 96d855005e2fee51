"""What rules asked for and used: the sums, the report, and what is proposed to users."""
