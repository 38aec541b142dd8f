"""What people say to a robot, and what it should come to: sentences, scenes, goals and their truth."""
