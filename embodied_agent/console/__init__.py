"""What the command line shows: the live tree, tables, and the doctor's findings."""
