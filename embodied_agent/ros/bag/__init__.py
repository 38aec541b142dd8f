"""Bags: MCAP files as rosbag2 writes them, written from raw ROS messages and read back without ROS."""
