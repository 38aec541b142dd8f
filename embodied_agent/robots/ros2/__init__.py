"""Any arm behind ros2_control: joint states, cameras and transforms in; controller goals out."""
