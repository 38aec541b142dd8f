"""What is measured over ROS: whole episodes beside those of the direct path, and how the path itself behaves."""
