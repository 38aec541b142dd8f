"""Being here puts this folder on the import path, so that tests share what lies in it.

What speaks ROS talks only to processes of this machine, and leaves nothing in the home folder.
"""

import os
import tempfile

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_LOG_DIR", tempfile.mkdtemp(prefix="ros-log-"))
