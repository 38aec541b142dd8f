"""Fault exercises of the ROS path: real processes, broken on purpose, at many moments."""
