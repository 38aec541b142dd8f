"""What a live ROS graph offers, against what this project needs of it: looked at once, then judged."""
