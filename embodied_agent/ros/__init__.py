"""ROS 2: the node, the simulated driver, recording and inspection. Everything here needs a sourced ROS 2."""
