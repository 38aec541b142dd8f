"""ROS tests talk only to processes of this machine, and leave nothing in the home folder.

Every file has a domain of its own, so that files can run at the same time:
driver 20-29; what else there is names its domain at its top.
"""

import os
import tempfile

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_LOG_DIR", tempfile.mkdtemp(prefix="ros-log-"))
