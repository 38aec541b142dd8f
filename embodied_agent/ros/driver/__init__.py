"""The simulated world behind the interfaces that a real arm's driver offers."""
