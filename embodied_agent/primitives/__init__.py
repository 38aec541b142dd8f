"""The robot's verbs: typed functions that sense or act and return what was measured."""
